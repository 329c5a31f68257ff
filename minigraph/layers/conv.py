"""Convolutional neurons, which look at windows of images or of sequences through shared weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..activations import Spec, resolve
from ..errors import GraphError, ShapeError
from ..initializers import Initial, Scaled
from ..initializers import resolve as initializer
from ..layer import Neurons
from ..numbers import is_whole
from ..param import Array, Param, Shape
from ..record import Record
from .flags import check_flags
from .sums import Sums
from .windows import Margins, Sizes, Window, counts, same_padding, sizes


@dataclass(eq=False)
class Conv2D(Neurons):
    """Neurons that see a window of an image each, all those of one filter through the same weights.

        z_fij = b_f + Σ_cuv w_fcuv a_c,is+ud,js+vd     a (m, c, h, w), padded   w (f, c / groups, k, k)   b (f,)
        output σ(z)                                    z (m, f, i, j),  i = ⌊(h − d (k − 1) − 1) / s⌋ + 1
        δ = error ⊙ σ'(z)                              BP1, BP2
        ∂C/∂b_f = Σ_xij δ_fij                          BP3
        ∂C/∂w_fcuv = Σ_xij δ_fij a_c,is+ud,js+vd       BP4
        error to the input at (c, is+ud, js+vd) = the sum of all w_fcuv δ_fij that lead there             BP2

    PyTorch's Conv2d: `filters` f, `kernel_size` k, `stride` s and `dilation` d, one number for both axes or a pair.
    `padding` is how many zeros stand on either side of an axis (a number or a pair), "valid" for none, or "same" for
    d (k − 1) in all, half of them, rounded down, before and the rest behind: that keeps the sizes at stride 1 and makes
    ⌈h / s⌉ of h at another stride, which PyTorch refuses and Keras pads by another rule. Of several `groups`, a filter
    sees the channels of its own; with as many groups as channels, the convolution is depthwise. `activation`, `bias`,
    `weights` and `biases` are as in Dense, where a list of activations has one for each filter.
    """

    filters: int
    kernel_size: Sizes
    stride: Sizes = 1
    padding: Sizes | str = 0
    dilation: Sizes = 1
    groups: int = 1
    activation: Spec = "identity"
    bias: bool = True
    weights: Initial = "glorot_uniform"
    biases: Initial = "zeros"
    w: Param = field(init=False, repr=False)
    b: Param | None = field(init=False, repr=False)
    window: Window = field(init=False, repr=False)

    axes: ClassVar[tuple[str, ...]] = ("height", "width")
    steady: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.window = _settled(self)

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples (c, h, w) -> (f, i, j)."""
        channels, *lengths = _checked(self, shape)
        wide = tuple(n + sum(margin) for n, margin in zip(lengths, self.window.margins, strict=True))
        found = counts(wide, *self.window[:3])
        if min(found) < 1:
            axes = slice(-len(self.axes), None)
            spans = tuple(d * (k - 1) + 1 for k, d in zip(self.window.kernel, self.window.dilation, strict=True))
            raise ShapeError(
                f"takes samples that its windows of {spans[axes]} fit into, got {shape}, {wide[axes]} with padding: "
                "take a smaller kernel or more padding"
            )
        form = (self.filters, channels // self.groups, *self.window.kernel[-len(self.axes) :])
        _create(self, form, self.weights, rng, dtype)
        return (self.filters, *found[-len(self.axes) :])

    def weigh(self, at: Record, a: Array) -> Array:
        """z = b + the sums of w a over each window."""
        x, w = _images(a), self.w.value
        at.sums = at.sums or Sums(self.window, x.shape, w.shape)
        z = at.buffer("z", (at.m, self.filters, *at.sums.found))
        at.sums.forward(at, x, w, None if self.b is None else self.b.value, z)
        return z if a.ndim == 4 else z[:, :, 0]

    def backward(self, at: Record, error: Array) -> Array | None:
        """δ from the error (BP1, BP2), the Params' gradients from δ (BP3, BP4), the input's error from δ (BP2)."""
        delta = at.delta = self.sigma.backward(error, at.z, at.a, out=at.delta)
        x = at.inputs[0]
        sent = at.buffer("sent", x.shape) if at.needs[0] else None
        into = None if sent is None else _images(sent)
        at.sums.backward(at, _images(delta), self.w.value, _images(x), _gradients(self, at), into)
        return sent

    def describe(self) -> str:
        """The layer, its kernel and its activation."""
        return _described(self)


@dataclass(eq=False)
class Conv1D(Conv2D):
    """Neurons that see a window of a sequence each, all those of one filter through the same weights.

        z_fi = b_f + Σ_cu w_fcu a_c,is+ud              a (m, c, t), padded   w (f, c / groups, k)   b (f,)
        output σ(z)                                    z (m, f, i),  i = ⌊(t − d (k − 1) − 1) / s⌋ + 1
        δ = error ⊙ σ'(z)                              BP1, BP2
        ∂C/∂b_f = Σ_xi δ_fi                            BP3
        ∂C/∂w_fcu = Σ_xi δ_fi a_c,is+ud                BP4
        error to the input at (c, is+ud) = the sum of all w_fcu δ_fi that lead there                      BP2

    PyTorch's Conv1d: a Conv2D of images that are one row high, with the same arguments.
    """

    axes: ClassVar[tuple[str, ...]] = ("time",)
    steady: ClassVar[bool] = True


@dataclass(eq=False)
class ConvTranspose2D(Neurons):
    """Neurons that add up windows, each in proportion to one element of the input: Conv2D backward, as a forward.

        z_f at (is+ud, js+vd) = b_f + the sum of all w_cfuv a_cij that lead there
                                                       a (m, c, i, j)   w (c, f / groups, k, k)   b (f,)
        output σ(z)                                    z (m, f, h, w),  h = (i − 1) s + d (k − 1) + 1 + o − 2p
        δ = error ⊙ σ'(z)                              BP1, BP2
        ∂C/∂b_f = Σ_xhw δ_fhw                          BP3
        ∂C/∂w_cfuv = Σ_xij a_cij δ_f,is+ud,js+vd       BP4
        error to the input at (c, i, j) = Σ_fuv w_cfuv δ_f,is+ud,js+vd                                    BP2

    PyTorch's ConvTranspose2d, with its layout of the weights. `padding` p, a number or a pair, is cut off on either
    side of z, where Conv2D adds zeros. `output_padding` o makes z longer behind, by less than the stride, since Conv2D
    makes one length of several. "glorot_uniform" and its like take c k² / groups for the inputs of a neuron and f k²
    for its outputs, PyTorch the other way round. All else is as in Conv2D.
    """

    filters: int
    kernel_size: Sizes
    stride: Sizes = 1
    padding: Sizes = 0
    output_padding: Sizes = 0
    dilation: Sizes = 1
    groups: int = 1
    activation: Spec = "identity"
    bias: bool = True
    weights: Initial = "glorot_uniform"
    biases: Initial = "zeros"
    w: Param = field(init=False, repr=False)
    b: Param | None = field(init=False, repr=False)
    window: Window = field(init=False, repr=False)
    extra: Shape = field(init=False, repr=False)

    axes: ClassVar[tuple[str, ...]] = ("height", "width")
    steady: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.window = _settled(self)
        self.extra = self.output_padding = sizes(self.output_padding, 2, "ConvTranspose2D", "output_padding", least=0)
        if any(o >= s for o, s in zip(self.extra, self.window.stride, strict=True)):
            raise GraphError(
                f"ConvTranspose2D takes an output_padding below its stride {self.stride}, got {self.extra}"
            )

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples (c, i, j) -> (f, h, w)."""
        channels, *lengths = _checked(self, shape)
        found = self._long(lengths)
        if min(found) < 1:
            wide = tuple(n + sum(margin) for n, margin in zip(found, self.window.margins, strict=True))
            raise ShapeError(
                f"takes samples that leave something when padding is cut off, got {shape}, which become {wide} and "
                f"lose {self.padding} on either side: take less padding"
            )
        form = (channels, self.filters // self.groups, *self.window.kernel)
        _create(self, form, self._initial(channels), rng, dtype)
        return (self.filters, *found)

    def _initial(self, channels: int) -> Initial:
        """The initial weights, with fans counted where inputs and outputs are."""
        if isinstance(self.weights, Param) or not isinstance(drawn := initializer(self.weights), Scaled):
            return self.weights
        seen = (self.filters, channels // self.groups, *self.window.kernel)
        return lambda shape, rng: drawn(seen, rng).reshape(shape)

    def weigh(self, at: Record, a: Array) -> Array:
        """z = b + the windows w a, each added where it belongs."""
        z = at.buffer("z", (at.m, self.filters, *self._long(a.shape[2:])))
        at.sums = at.sums or Sums(self.window, z.shape, self.w.shape)
        at.sums.backward(at, a, self.w.value, z, sent=z)
        return z if self.b is None else np.add(z, self.b.value[:, None, None], out=z)

    def backward(self, at: Record, error: Array) -> Array | None:
        """δ from the error (BP1, BP2), the Params' gradients from δ (BP3, BP4), the input's error from δ (BP2)."""
        delta = at.delta = self.sigma.backward(error, at.z, at.a, out=at.delta)
        a, grad = at.inputs[0], _gradients(self, at)
        if grad is not None:
            at.sums.backward(at, a, self.w.value, delta, grad)
        if not at.needs[0]:
            return None
        sent = at.buffer("sent", a.shape)
        at.sums.forward(at, delta, self.w.value, None, sent)
        return sent

    def describe(self) -> str:
        """The layer, its kernel and its activation."""
        return _described(self)

    def _long(self, lengths: Sequence[int]) -> Shape:
        each = zip(lengths, *self.window, self.extra, strict=True)
        return tuple((n - 1) * s + d * (k - 1) + 1 + o - sum(margin) for n, k, s, d, margin, o in each)


def _settled(layer: Conv2D | ConvTranspose2D) -> Window:
    taker, axes = type(layer).__name__, len(layer.axes)
    for what in ("filters", "groups"):
        number = getattr(layer, what)
        if not is_whole(number) or number < 1:
            raise GraphError(f"{taker} takes a positive whole number of {what}, got {number!r}")
        setattr(layer, what, int(number))
    check_flags(layer, "bias")
    if layer.filters % layer.groups:
        raise GraphError(f"{taker} takes filters that its {layer.groups} groups divide, got {layer.filters}")
    layer.sigma = resolve(layer.activation, layer.filters, taker, axis=1)
    kernel = layer.kernel_size = sizes(layer.kernel_size, axes, taker, "kernel_size")
    stride = layer.stride = sizes(layer.stride, axes, taker, "stride")
    dilation = layer.dilation = sizes(layer.dilation, axes, taker, "dilation")
    margins: Margins
    if isinstance(layer, Conv2D) and isinstance(layer.padding, str):
        if layer.padding not in ("same", "valid"):
            raise GraphError(f'{taker} takes numbers, "same" or "valid" as padding, got {layer.padding!r}')
        margins = same_padding(kernel, dilation) if layer.padding == "same" else ((0, 0),) * axes
    else:
        layer.padding = sizes(layer.padding, axes, taker, "padding", least=0)
        margins = tuple((n, n) for n in layer.padding)
    ones = (1,) * (2 - axes)
    return Window(ones + kernel, ones + stride, ones + dilation, ((0, 0),) * (2 - axes) + margins)


def _checked(layer: Conv2D | ConvTranspose2D, shape: Shape) -> Shape:
    """The sample shape (c, h, w), with a height of 1 for sequences."""
    if len(shape) != 1 + len(layer.axes):
        wanted = ", ".join(("channels", *layer.axes))
        raise ShapeError(f"takes samples ({wanted}), got {shape}: put Reshape before it, channels come first")
    if shape[0] % layer.groups:
        raise ShapeError(f"takes channels that its {layer.groups} groups divide, got {shape[0]} in samples {shape}")
    return shape if len(shape) == 3 else (shape[0], 1, shape[1])


def _create(
    layer: Conv2D | ConvTranspose2D, form: Shape, initial: Initial, rng: np.random.Generator, dtype: np.dtype[Any]
) -> None:
    layer.w = layer.param("w", form, initial, rng=rng, dtype=dtype)
    layer.b = layer.param("b", (layer.filters,), layer.biases, rng=rng, dtype=dtype) if layer.bias else None


def _gradients(layer: Conv2D | ConvTranspose2D, at: Record) -> Array | None:
    """Set ∂C/∂b from δ, and give the array that ∂C/∂w is to be written into."""
    if layer.frozen:
        return None
    if layer.b is not None:
        at.over_examples = np.dot(at.ones, at.delta.reshape(at.m, -1), out=at.over_examples)
        at.grad[layer.b] = np.add.reduce(at.over_examples.reshape(layer.filters, -1), axis=1, out=at.grad.get(layer.b))
    if layer.w not in at.grad:
        at.grad[layer.w] = np.empty(layer.w.shape, layer.w.dtype)
    return at.grad[layer.w]


def _described(layer: Conv2D | ConvTranspose2D) -> str:
    kernel = "×".join(map(str, layer.window.kernel[-len(layer.axes) :]))
    return f"{type(layer).__name__} {kernel} {layer.sigma}"


def _images(sequences: Array) -> Array:
    """Sequences as images one row high; images as they are."""
    return sequences if sequences.ndim == 4 else sequences[:, :, None]
