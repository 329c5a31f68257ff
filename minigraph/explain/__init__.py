"""The derivation of backpropagation, written out for one node of a run or for a whole architecture."""

from .architecture import document
from .derive import explain
from .explanation import Explanation

__all__ = ["Explanation", "document", "explain"]
