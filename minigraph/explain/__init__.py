"""The derivation of backpropagation, written out for one node of a run or for a whole architecture."""

from .architecture import document
from .explanation import Explanation
from .node import explain

__all__ = ["Explanation", "document", "explain"]
