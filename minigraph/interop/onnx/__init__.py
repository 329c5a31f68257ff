"""ONNX: the forward graph in inference mode as a file that other programs run and draw."""

from .export import EXPORTED, to_onnx
from .model import Model
from .registry import register

__all__ = ["EXPORTED", "Model", "register", "to_onnx"]
