"""What layers are held to, in the first sweep, and what is said where they fail."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import LayerError, MinigraphError
from .layer import Node
from .record import Record


def check_output(node: Node, a: Any, m: int) -> None:
    """Raise LayerError for an output of another shape or dtype than the node's."""
    if not _is(a, (m, *node.shape), node.dtype):
        expected = _said((m, *node.shape), node.dtype)
        raise LayerError(f"{_named(node)}: forward must return {expected}, got {_kind(a)}")


def check_errors(node: Node, at: Record, sent: Any) -> None:
    """Raise LayerError for errors that don't go with the node's inputs, and gradients that don't with its Params."""
    n = len(node.inputs)
    if n > 1 and (not isinstance(sent, (tuple, list)) or len(sent) != n):
        raise LayerError(f"{_named(node)}: backward must return {n} errors, one an input, got {_kind(sent)}")
    for i, (needed, x) in enumerate(zip(at.needs, at.inputs, strict=True)):
        error = sent[i] if needed and n > 1 else sent
        if needed and not _is(error, x.shape, x.dtype):
            expected, got = _said(x.shape, x.dtype), _kind(error)
            raise LayerError(f"{_named(node)}: backward must return {expected} for input {i}, got {got}")
    params = {} if node.layer.frozen else node.layer.params
    for name, param in params.items():
        if not _is(at.grad.get(param), param.shape, param.dtype):
            expected, got = _said(param.shape, param.dtype), _kind(at.grad.get(param))
            raise LayerError(f"{_named(node)}: backward must set at.grad[self.{name}] to {expected}, got {got}")
    if not at.grad.keys() <= set(node.layer.params.values()):
        raise LayerError(f"{_named(node)}: backward set at.grad for a Param that is no attribute of the layer")


def blame(node: Node, direction: str, fault: Exception) -> MinigraphError:
    """The error to raise where a layer failed: it names the node and the line that added it."""
    if isinstance(fault, MinigraphError):
        return type(fault)(f"{_named(node)}: {fault}")
    return LayerError(f"{_named(node)}: {direction} failed with {type(fault).__name__}: {fault}")


def _named(node: Node) -> str:
    return f"{type(node.layer).__name__} {node.name!r} (added at {node.source})"


def _is(array: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    return isinstance(array, np.ndarray) and array.shape == shape and array.dtype == dtype


def _said(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    return f"an array of shape {shape} {dtype}"


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return _said(value.shape, value.dtype)
    if isinstance(value, (tuple, list)):
        return f"{len(value)} of them"
    return repr(value)
