"""Blocks in common use, as Graphs of visible nodes: add one to a graph like a layer, twice to share its Params.

`shape` is that of the samples, or a node with such samples, from whose graph dtype and seed come, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .activations import Spec
from .errors import GraphError, ShapeError
from .graph import Graph
from .layer import Layer, Node
from .layers import Activation, Add, BatchNorm, Conv2D, Dense, Dropout, LayerNorm, MultiHeadAttention
from .unrolling import unroll

__all__ = ["residual", "transformer_decoder", "transformer_encoder", "unroll"]


def transformer_encoder(
    shape: Node | Iterable[int],
    heads: int,
    hidden: int,
    *,
    dropout: float = 0.0,
    activation: Spec = "relu",
    norm_first: bool = False,
    causal: bool = False,
    mask: str | None = None,
    name: str = "encoder",
    seed: int | None = None,
    dtype: str | None = None,
) -> Graph:
    """A block for sequences of shape (T, d): each vector looks at the others, then passes two Dense layers.

        h = norm_1(x + attention(x)),   output = norm_2(h + out(σ(hidden(h))))
        h = x + attention(norm_1(x)),   output = h + out(σ(hidden(norm_2(h))))          with `norm_first`

    `hidden` is the number of neurons in the middle, σ their `activation`. `causal` lets step t look at steps 0 … t
    only, as in a language model. `mask` adds an input that tells steps from padding: "keys" for samples of shape (T,),
    1 for a step, 0 for padding; "lengths" for the number of steps as an integer. Equals PyTorch's
    `TransformerEncoderLayer` with batch_first and this `dropout` (there 0.1 unless given), where in_proj and out_proj
    belong to the attention, linear1 is hidden and linear2 is out. Vaswani et al. 2017, section 3.
    """
    g, x = _begin(name, shape, seed, dtype)
    step = _steps(g, dropout, norm_first)
    masks = _masks(g, mask, x)
    attention = MultiHeadAttention(heads, causal=causal, dropout=dropout)
    h = step(x, lambda v: g.add(attention, v, *masks, name="attention"))
    step(h, lambda v: _feed_forward(g, v, hidden, activation, dropout))
    return g


def transformer_decoder(
    shape: Node | Iterable[int],
    memory: Node | Iterable[int],
    heads: int,
    hidden: int,
    *,
    dropout: float = 0.0,
    activation: Spec = "relu",
    norm_first: bool = False,
    causal: bool = True,
    mask: str | None = None,
    name: str = "decoder",
    seed: int | None = None,
    dtype: str | None = None,
) -> Graph:
    """A block for sequences of shape (T, d) that also looks at a memory, of shape (S, ·): what an encoder made.

        h = norm_1(x + self_attention(x)),   k = norm_2(h + cross_attention(h, memory))
        output = norm_3(k + out(σ(hidden(k))))             norms stand as in the encoder with `norm_first`

    Inputs are x, memory and, with `mask`, "keys" of shape (S,) or "lengths" that tell the memory's steps from padding.
    The rest is as in `transformer_encoder`; equals PyTorch's `TransformerDecoderLayer` with a causal tgt_mask, where
    multihead_attn is cross_attention.
    """
    g, x = _begin(name, shape, seed, dtype)
    seen = g.input("memory", memory.shape if isinstance(memory, Node) else memory)
    if len(seen.shape) != 2:  # a vector would pass for a mask
        raise ShapeError(f"{name} takes a memory of shape (S, ·), got {seen.shape}")
    step = _steps(g, dropout, norm_first)
    masks = _masks(g, mask, seen)
    own, cross = (MultiHeadAttention(heads, causal=back, dropout=dropout) for back in (causal, False))
    h = step(x, lambda v: g.add(own, v, name="self_attention"))
    h = step(h, lambda v: g.add(cross, v, seen, *masks, name="cross_attention"))
    step(h, lambda v: _feed_forward(g, v, hidden, activation, dropout))
    return g


def residual(
    shape: Node | Iterable[int],
    filters: int,
    *,
    stride: int = 1,
    activation: Spec = "relu",
    name: str = "residual",
    seed: int | None = None,
    dtype: str | None = None,
) -> Graph:
    """A block for images of shape (c, h, w): two 3 × 3 convolutions learn what to add to the input.

        output = σ(skip(x) + norm_2(conv_2(σ(norm_1(conv_1(x))))))        (c, h, w) -> (filters, ⌈h/stride⌉, ⌈w/stride⌉)

    skip(x) is x where the shapes are equal, else a 1 × 1 convolution with a norm. conv_1 and skip have the stride, no
    convolution has biases. He, Zhang, Ren and Sun 2016; torchvision's `BasicBlock`.
    """
    g, x = _begin(name, shape, seed, dtype)

    def convolved(v: Node, size: int, stride: int, called: str, norm: str) -> Any:
        layer = Conv2D(filters, size, stride, padding=size // 2, bias=False, weights="he_normal")
        return g.add(BatchNorm(), g.add(layer, v, name=called), name=norm)

    h = g.add(Activation(activation), convolved(x, 3, stride, "conv_1", "norm_1"), name="activation_1")
    h = convolved(h, 3, 1, "conv_2", "norm_2")
    skip = x if h.shape == x.shape else convolved(x, 1, stride, "skip", "skip_norm")
    g.add(Activation(activation), g.add(Add(), skip, h, name="add"), name="activation_2")
    return g


def _begin(name: str, like: Node | Iterable[int], seed: int | None, dtype: str | None) -> tuple[Graph, Node]:
    """A graph with input x for samples of a shape; a node's graph decides dtype and seed unless they are given."""
    if isinstance(like, Node):
        dtype = dtype or like.graph.dtype.name
        seed = int(like.graph.rng.integers(2**63)) if seed is None else seed
    g = Graph(name, seed=seed, dtype=dtype or "float64")
    return g, g.input("x", like.shape if isinstance(like, Node) else like)


def _steps(g: Graph, dropout: float, norm_first: bool) -> Callable[[Node, Callable[[Node], Node]], Node]:
    """A function (x, part) -> x + part(x), with a norm before or behind; it numbers its nodes."""
    if not isinstance(norm_first, bool):
        raise GraphError(f"{g.name} takes True or False as norm_first, got {norm_first!r}")
    count = 0

    def step(x: Node, part: Callable[[Node], Node]) -> Node:
        nonlocal count
        count += 1

        def put(layer: Layer, *inputs: Node) -> Any:
            return g.add(layer, *inputs, name=f"{type(layer).__name__.lower().removeprefix('layer')}_{count}")

        h = part(put(LayerNorm(), x) if norm_first else x)
        h = put(Add(), x, put(Dropout(dropout), h) if dropout else h)
        return h if norm_first else put(LayerNorm(), h)  # type: ignore[no-any-return]

    return step


def _feed_forward(g: Graph, x: Node, hidden: int, activation: Spec, dropout: float) -> Any:
    h = g.add(Dense(hidden, activation), x, name="hidden")
    h = g.add(Dropout(dropout), h, name="hidden_dropout") if dropout else h
    return g.add(Dense(x.shape[-1]), h, name="out")


def _masks(g: Graph, mask: str | None, keys: Node) -> list[Node]:
    if mask is None:
        return []
    if mask not in ("keys", "lengths"):
        raise GraphError(f'{g.name} takes "keys" or "lengths" as mask, or None, got {mask!r}')
    return [g.input("mask", keys.shape[:1]) if mask == "keys" else g.input("lengths", (), dtype=int)]
