"""What layers are held to, in the first sweep, and what is said where they fail."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import LayerError, MinigraphError
from .gist import gist
from .layer import Node
from .record import Record


def check_output(node: Node, a: Any, m: int) -> None:
    """Raise LayerError for an output of another shape or dtype than the node's."""
    if not _is(a, (m, *node.shape), node.dtype):
        raise LayerError(f"{_named(node)}: forward must return {_misses(a, (m, *node.shape), node.dtype)}")


def check_errors(node: Node, at: Record, sent: Any) -> None:
    """Raise LayerError for errors that don't go with the node's inputs, and gradients that don't with its Params."""
    n = len(node.inputs)
    if n > 1 and (not isinstance(sent, (tuple, list)) or len(sent) != n):
        raise LayerError(
            f"{_named(node)}: backward must return {n} errors, one an input, got {gist(sent)}: return a tuple"
        )
    for i, (needed, x) in enumerate(zip(at.needs, at.inputs, strict=True)):
        error = sent[i] if needed and n > 1 else sent
        if needed and not _is(error, x.shape, x.dtype):
            misses = _misses(error, x.shape, x.dtype, f" for input {i}")
            raise LayerError(f"{_named(node)}: backward must return {misses}")
    params = {} if node.layer.frozen else node.layer.params
    for name, param in params.items():
        if not _is(at.grad.get(param), param.shape, param.dtype):
            misses = _misses(at.grad.get(param), param.shape, param.dtype)
            raise LayerError(f"{_named(node)}: backward must set at.grad[self.{name}] to {misses}")
    if not at.grad.keys() <= set(node.layer.params.values()):
        raise LayerError(
            f"{_named(node)}: backward set at.grad for a Param that is no attribute of the layer: keep it as one"
        )


def blame(node: Node, direction: str, fault: Exception) -> MinigraphError:
    """The error to raise where a layer failed: it names the node and the line that added it."""
    if isinstance(fault, MinigraphError):
        return type(fault)(f"{_named(node)}: {fault}")
    what = str(fault) if len(str(fault)) <= 150 else f"{str(fault)[:149]}…"
    said = f"{_named(node)}: {direction} failed with {type(fault).__name__}: {what}"
    if isinstance(fault, ValueError) and "read-only" in str(fault):
        return LayerError(f"{said}: what a layer is handed isn't its own, copy it first, x = x.copy()")
    if isinstance(fault, MemoryError):
        return LayerError(f"{said}: feed fewer examples at once, or make the layer smaller")
    return LayerError(said)


def _named(node: Node) -> str:
    return f"{type(node.layer).__name__} {node.name!r} (added at {node.source})"


def _is(array: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    return type(array) is np.ndarray and array.shape == shape and array.dtype == dtype


def _misses(value: Any, shape: tuple[int, ...], dtype: np.dtype[Any], where: str = "") -> str:
    """What is expected, what came in its place, and what to do."""
    if not isinstance(value, np.ndarray):
        remedy = "is a line missing?" if value is None else "give the array itself"
    elif type(value) is not np.ndarray:
        remedy = "take np.asarray(…) of it"
    elif value.shape[1:] == shape:
        remedy = "sum over the examples"
    elif value.shape != shape:
        remedy = "give a row for each example" if value.shape[1:] == shape[1:] else "mind the axes"
    else:
        remedy = "compute in at.dtype, or .astype(at.dtype)"
    return f"an array of shape {shape} {dtype}{where}, got {gist(value)}: {remedy}"
