"""Files: a graph, with its weights, in one safetensors file."""

from .store import load, save
from .weights import Loaded, load_weights

__all__ = ["Loaded", "load", "load_weights", "save"]
