"""Data sets to train on; nothing is read before it is asked for."""

from .digits import Mnist, mnist, one_hot

__all__ = ["Mnist", "mnist", "one_hot"]
