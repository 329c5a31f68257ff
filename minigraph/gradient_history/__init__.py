"""How large gradients, weights and updates are while a graph trains."""

from .recording import GradientHistory

__all__ = ["GradientHistory"]
