"""Feeds for a network in a file: arrays from a file of theirs, or made-up ones."""

from __future__ import annotations

import zipfile
import zlib
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ..costs import BinaryCrossEntropy, CosineEmbedding, Cost, Hinge, KLDivergence, SoftmaxCrossEntropy
from ..errors import FeedError, FileError, LayerError
from ..graph import Graph
from ..layer import Node
from ..layers import GRU, LSTM, RNN, Embedding, MultiHeadAttention, ScaledDotProductAttention, StopGradient
from ..param import Array

Users: TypeAlias = "dict[Node, list[tuple[Node, int]]]"
BROKEN = EOFError, KeyError, MemoryError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error
"""What numpy raises for files that aren't what they should be."""


def feeds(given: Namespace, graph: Graph) -> dict[str, Array]:
    """As many examples as asked for, from the file or made up; raises FileError for another kind of file."""
    if given.data is None:
        rng = np.random.default_rng(given.seed)
        users: dict[Node, list[tuple[Node, int]]] = {}
        for source, user, slot in graph.edges:
            users.setdefault(source, []).append((user, slot))
        return {node.name: _made_up(node, given.examples, rng, users) for node in graph.inputs}
    arrays = _read(given.data)
    ranks = {node.name: len(node.shape) for node in graph.inputs}
    return {
        name: array[: given.examples] if name not in ranks or array.ndim > ranks[name] else array
        for name, array in arrays.items()
    }


def origin(given: Namespace) -> str:
    """Where the numbers come from, in a few words."""
    return f"numbers from {given.data.name}" if given.data else f"made-up inputs, seed {given.seed}"


@contextmanager
def suiting(given: Namespace) -> Iterator[None]:
    """Where made-up numbers don't suit a network, say what to do."""
    try:
        yield
    except (FeedError, LayerError) as fault:
        if given.data:
            raise
        raise FeedError(f"made-up inputs don't suit this network, give --data: {fault}") from fault


def _read(path: Path) -> dict[str, Array]:
    try:
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
            if isinstance(found, np.ndarray):
                raise ValueError("one array without a name")
            with found:
                return dict(found)
    except BROKEN:
        raise FileError(
            f"'{path}' is no whole .npz file of plain arrays by name: np.savez('feeds.npz', x=…, t=…) writes one"
        ) from None


def _made_up(node: Node, m: int, rng: np.random.Generator, users: Users) -> Array:
    """Numbers that all users of an input take: unit normals unless one of them takes others."""
    shape, uses = (m, *node.shape), _uses(node, users)
    if node.dtype.kind == "i":
        bounds = [bound for use in uses if (bound := _bounds(*use)) is not None]
        low, high = max((low for low, _ in bounds), default=0), min((high for _, high in bounds), default=0)
        return rng.integers(low, max(low, high) + 1, shape)
    for user, slot in uses:
        made = _special(user, slot, shape, rng)
        if made is not None:
            return made
    return rng.standard_normal(shape)


def _uses(node: Node, users: Users) -> list[tuple[Node, int]]:
    """Who takes a node, and at which of its inputs; also who takes it from a StopGradient, unchanged."""
    found, waiting = [], [node]
    for source in waiting:
        found += users.get(source, [])
        waiting += [user for user, _ in users.get(source, []) if isinstance(user.layer, StopGradient)]
    return found


def _bounds(user: Node, slot: int) -> tuple[int, int] | None:
    """From which integer to which such a node takes them."""
    layer = user.layer
    if isinstance(layer, Embedding):
        return 0, layer.size - 1
    if isinstance(layer, SoftmaxCrossEntropy):
        return 0, user.inputs[0].shape[layer.axis] - 1
    if slot in user.constant_inputs and isinstance(layer, (RNN, LSTM, GRU)):
        return 1, user.inputs[0].shape[0]
    if slot in user.constant_inputs and isinstance(layer, (MultiHeadAttention, ScaledDotProductAttention)):
        is_length = user.inputs[slot].shape == ()
        return 1, user.inputs[min(1, slot - 1)].shape[-2] if is_length else 1  # a mask of 1 looks everywhere
    return None


def _special(user: Node, slot: int, shape: tuple[int, ...], rng: np.random.Generator) -> Array | None:
    """Other numbers than normal ones, where such a node takes only these; None where it takes all."""
    layer = user.layer
    if slot not in user.constant_inputs:
        return None
    if isinstance(layer, (MultiHeadAttention, ScaledDotProductAttention)):
        return np.ones(shape)  # look everywhere
    if not isinstance(layer, Cost):
        return None
    if slot == layer.judged + layer.takes_target:
        return np.ones(shape)  # each example counts the same
    if isinstance(layer, BinaryCrossEntropy):
        return rng.integers(0, 2, shape).astype(float)
    if isinstance(layer, (Hinge, CosineEmbedding)):
        return 2.0 * rng.integers(0, 2, shape) - 1.0
    if isinstance(layer, (KLDivergence, SoftmaxCrossEntropy)):
        axis = layer.axis % (len(shape) - 1) + 1 if isinstance(layer, SoftmaxCrossEntropy) else -1
        made = rng.random(shape)
        made /= made.sum(axis=axis, keepdims=True)
        return made
    return None
