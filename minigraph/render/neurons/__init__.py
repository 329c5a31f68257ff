"""Small networks neuron by neuron, and the four figures of the book's chapter."""

from .drawing import neurons_dot
from .figures import FIGURES, LETTERS, Highlight
from .picture import neurons_picture

__all__ = ["FIGURES", "LETTERS", "Highlight", "neurons_dot", "neurons_picture"]
