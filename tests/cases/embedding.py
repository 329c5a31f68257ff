"""Rows of layers that look symbols up and say where they stand."""

import math

import numpy as np

from minigraph.layers import Embedding, PositionalEncoding

from .case import NOT_TWO, Case, Refused, labels


def looked_up(given, x):
    rows = given.w.tolist()
    out = np.full((*x.shape, len(rows[0])), np.nan)
    for i in np.ndindex(x.shape):
        out[i] = rows[int(x[i])]
    return out


def at_positions(given, x):
    out = np.empty(x.shape)
    for row, t, j in np.ndindex(x.shape):
        angle = t / 10000 ** (2 * (j // 2) / x.shape[2])
        out[row, t, j] = x[row, t, j] + (math.cos(angle) if j % 2 else math.sin(angle))
    return out


def embedding(padding=None):
    return lambda torch, given, x: torch.nn.functional.embedding(x, given.w, padding_idx=padding)


NO_SEQUENCE = tuple(
    Refused((shape,), "takes sequences (steps, features)", f"got samples of shape {shape}")
    for shape in ((), (3,), (2, 3, 4))
)
# fmt: off
CASES = [
    Case("Embedding", lambda: Embedding(5, 3), ((4,),), looked_up, (labels(5),), (NOT_TWO,), torch=embedding()),
    Case("Embedding-image", lambda: Embedding(3, 2, weights="glorot_uniform"), ((2, 1, 3),), looked_up, (labels(3),),
         torch=embedding()),
    Case("Embedding-labels", lambda: Embedding(7, 4), ((),), looked_up, (labels(7),), torch=embedding()),
    Case("Embedding-one-symbol", lambda: Embedding(6, 2), ((5,),), looked_up, (labels(1),), torch=embedding()),
    Case("Embedding-padding", lambda: Embedding(3, 2, padding_index=1), ((5,),), looked_up, (labels(3),),
         torch=embedding(1)),
    Case("Embedding-1", lambda: Embedding(1, 1), ((1,),), looked_up, (labels(1),), torch=embedding()),
    Case("PositionalEncoding", PositionalEncoding, ((5, 4),), at_positions, refuses=(NOT_TWO, *NO_SEQUENCE)),
    Case("PositionalEncoding-odd", PositionalEncoding, ((6, 5),), at_positions),
    Case("PositionalEncoding-narrow", PositionalEncoding, ((7, 1),), at_positions),
    Case("PositionalEncoding-1", PositionalEncoding, ((1, 1),), at_positions),
]
