"""Normalization: samples, or parts of them, brought to mean 0 and variance 1."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..errors import FeedError, GraphError, ShapeError
from ..layer import Layer
from ..numbers import is_real, is_whole
from ..param import Array, Param, Shape
from ..record import Record
from .flags import check_flags
from .moments import CHANNEL, ELEMENT, WITHIN, by_last, products, scaled, send_back, standardize, sums


@dataclass(eq=False)
class BatchNorm(Layer):
    """Channels brought to mean 0 and variance 1, then scaled and shifted.

        x̂ = (x − μ) / √(σ² + ε),   a = γ x̂ + β             x, x̂, a (m, c, *rest)   μ, σ², γ, β (c,)
        ∂C/∂β = Σ error,   ∂C/∂γ = Σ error x̂               Σ over examples and rest: n numbers a channel
        error to x = γ / √(σ² + ε) (error − 1/n Σ error − x̂/n Σ error x̂)

    In training μ and σ² are mean and (biased) variance of the channel in this batch; a batch with one number a channel
    raises FeedError. Each training step moves the running statistics: `mean` ← (1 − momentum) mean + momentum μ, and
    `variance` alike with the unbiased variance σ² n / (n − 1). In inference these take the places of μ and σ², so that
    the error to x is γ / √(σ² + ε) error. `affine=False` leaves γ and β out. `frozen` is about Params only: a frozen
    layer goes on using the batch in training and moving its statistics. It is torch.nn.BatchNorm1d, 2d and 3d, with
    weight = gamma, bias = beta, running_mean = mean and running_var = variance. Equal numbers become β; with an ε of 0,
    NaN, here as in the other layers. Ioffe and Szegedy 2015.
    """

    momentum: float = 0.1
    eps: float = 1e-5
    affine: bool = True
    gamma: Param | None = field(default=None, init=False, repr=False)
    beta: Param | None = field(default=None, init=False, repr=False)
    mean: Array = field(init=False, repr=False)
    variance: Array = field(init=False, repr=False)

    mixes_examples: ClassVar[bool] = True
    statistics: ClassVar[tuple[str, ...]] = ("mean", "variance")

    def __post_init__(self) -> None:
        if not is_real(self.momentum) or not 0.0 <= self.momentum <= 1.0:
            raise GraphError(f"BatchNorm takes a momentum from 0 to 1, got {self.momentum!r}")
        self.momentum, self.eps = float(self.momentum), _eps(self.eps, "BatchNorm")
        check_flags(self, "affine")

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples (c, *rest), which stay."""
        if not shape:
            raise ShapeError("takes samples (channels, …), got single numbers: put Reshape(1) before it")
        if getattr(self, "mean", None) is None:
            self.mean, self.variance = np.zeros(shape[:1], dtype), np.ones(shape[:1], dtype)
        for there in (self.mean, self.variance):
            if there.shape != shape[:1] or there.dtype != dtype:
                raise ShapeError(
                    f"keeps running statistics of {there.size} channels in {there.dtype}, got samples of shape {shape} "
                    f"in {dtype}: use another BatchNorm here"
                )
        self.gamma = self.param("gamma", shape[:1], "ones", rng=rng, dtype=dtype) if self.affine else None
        self.beta = self.param("beta", shape[:1], "zeros", rng=rng, dtype=dtype) if self.affine else None
        return shape

    def forward(self, at: Record, x: Array) -> Array:
        """γ x̂ + β."""
        part = x.reshape(at.m, x.shape[1], math.prod(x.shape[2:]))
        if at.training:
            n = at.m * part.shape[2]
            if n < 2:
                raise FeedError(
                    f"takes two numbers a channel or more in training, got {at.m} of samples of shape {x.shape[1:]}: "
                    f"feed a larger batch"
                )
            mean, variance = standardize(at, part, CHANNEL, self.eps)
            at.mean = mean.reshape(-1)
            at.variance = np.multiply(variance.reshape(-1), n / (n - 1), out=at.variance)
        else:
            at.hat = np.subtract(part, self.mean[:, None], out=at.hat)
            at.scale = np.reciprocal(np.sqrt(self.variance[:, None] + self.eps), out=at.scale)
            np.multiply(at.hat, at.scale, out=at.hat)
        return scaled(at, at.hat, CHANNEL, self.gamma, self.beta).reshape(x.shape)

    def backward(self, at: Record, error: Array) -> Array:
        """Through γ and x̂; in training μ and σ² pass errors on, too."""
        part = error.reshape(at.hat.shape)
        total, product = sums(at, "error", part, at.hat, CHANNEL)
        _set_gradients(self, at, total, product)
        gain = at.scale
        if self.gamma is not None:
            gain = np.multiply(gain, self.gamma.value[:, None], out=at.buffer("gain", gain.shape))
        if at.training:
            sent = send_back(at, part, total, product, gain)
        else:
            sent = at.sent = np.multiply(part, gain, out=at.sent)
        return sent.reshape(error.shape)

    def commit(self, at: Record) -> None:
        """Move the running statistics by those of this batch."""
        old, new = 1.0 - self.momentum, self.momentum
        self.mean = old * self.mean + new * at.mean
        self.variance = old * self.variance + new * at.variance


@dataclass(eq=False)
class LayerNorm(Layer):
    """The last axes of each sample brought to mean 0 and variance 1, then scaled and shifted element by element.

        x̂ = (x − μ) / √(σ² + ε),   a = γ x̂ + β             x, x̂, a (m, …, *last)   μ, σ² (m, …)   γ, β (*last)
        ∂C/∂β = Σ error,   ∂C/∂γ = Σ error x̂               Σ over examples and all axes but the last ones
        error to x = (e − 1/n Σ e − x̂/n Σ e x̂) / √(σ² + ε),   e = γ error,   Σ over the n = Π last elements

    μ and σ² are mean and (biased) variance over the last `axes` axes. `affine=False` leaves γ and β out. It is
    torch.nn.LayerNorm(last), with weight = gamma and bias = beta. Ba, Kiros and Hinton 2016.
    """

    axes: int = 1
    eps: float = 1e-5
    affine: bool = True
    gamma: Param | None = field(default=None, init=False, repr=False)
    beta: Param | None = field(default=None, init=False, repr=False)

    steady: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_axes(self.axes, "LayerNorm")
        self.eps = _eps(self.eps, "LayerNorm")
        check_flags(self, "affine")

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples (…, *last), which stay."""
        last = _last(shape, self.axes)
        self.gamma = self.param("gamma", last, "ones", rng=rng, dtype=dtype) if self.affine else None
        self.beta = self.param("beta", last, "zeros", rng=rng, dtype=dtype) if self.affine else None
        return shape

    def forward(self, at: Record, x: Array) -> Array:
        """γ x̂ + β."""
        standardize(at, by_last(x, self.axes), WITHIN, self.eps)
        return scaled(at, at.hat, ELEMENT, self.gamma, self.beta).reshape(x.shape)

    def backward(self, at: Record, error: Array) -> Array:
        """Through γ, then through x̂, μ and σ²."""
        part = by_last(error, self.axes)
        if self.gamma is not None:
            _set_gradients(self, at, *sums(at, "error", part, at.hat, ELEMENT))
            part = at.e = np.multiply(part, self.gamma.value.reshape(-1), out=at.e)
        return send_back(at, part, *sums(at, "e", part, at.hat, WITHIN), at.scale).reshape(error.shape)


@dataclass(eq=False)
class GroupNorm(Layer):
    """Groups of channels of each sample brought to mean 0 and variance 1, then scaled and shifted per channel.

        x̂ = (x − μ) / √(σ² + ε),   a = γ x̂ + β             x, x̂, a (m, c, *rest)   μ, σ² (m, groups)   γ, β (c,)
        ∂C/∂β = Σ error,   ∂C/∂γ = Σ error x̂               Σ over examples and rest
        error to x = (e − 1/n Σ e − x̂/n Σ e x̂) / √(σ² + ε),   e = γ error,   Σ over the n elements of the group

    Each of the `groups` has c / groups channels in a row; μ and σ² are mean and (biased) variance over them and rest.
    `affine=False` leaves γ and β out. It is torch.nn.GroupNorm(groups, c), with weight = gamma and bias = beta; with as
    many groups as channels it is InstanceNorm. Wu and He 2018.
    """

    groups: int
    eps: float = 1e-5
    affine: bool = True
    gamma: Param | None = field(default=None, init=False, repr=False)
    beta: Param | None = field(default=None, init=False, repr=False)

    steady: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not is_whole(self.groups) or self.groups < 1:
            raise GraphError(f"GroupNorm takes a positive whole number of groups, got {self.groups!r}")
        self.eps = _eps(self.eps, "GroupNorm")
        check_flags(self, "affine")

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples (c, *rest) with a multiple of `groups` as c, which stay."""
        if not shape or shape[0] % self.groups:
            raise ShapeError(f"takes samples (channels, …) with channels for {self.groups} equal groups, got {shape}")
        self.gamma = self.param("gamma", shape[:1], "ones", rng=rng, dtype=dtype) if self.affine else None
        self.beta = self.param("beta", shape[:1], "zeros", rng=rng, dtype=dtype) if self.affine else None
        return shape

    def forward(self, at: Record, x: Array) -> Array:
        """γ x̂ + β."""
        c, n = x.shape[1], math.prod(x.shape[2:])
        standardize(at, x.reshape(at.m, self.groups, c // self.groups * n), WITHIN, self.eps)
        return scaled(at, at.hat.reshape(at.m, c, n), CHANNEL, self.gamma, self.beta).reshape(x.shape)

    def backward(self, at: Record, error: Array) -> Array:
        """Through γ, then through x̂, μ and σ²."""
        part = error.reshape(*error.shape[:2], math.prod(error.shape[2:]))
        if self.gamma is not None:
            _set_gradients(self, at, *sums(at, "error", part, at.hat.reshape(part.shape), CHANNEL))
            part = at.e = np.multiply(part, self.gamma.value[:, None], out=at.e)
        part = part.reshape(at.hat.shape)
        return send_back(at, part, *sums(at, "e", part, at.hat, WITHIN), at.scale).reshape(error.shape)

    def describe(self) -> str:
        """The layer and its number of groups."""
        return f"GroupNorm {self.groups}"


@dataclass(eq=False)
class RMSNorm(Layer):
    """The last axes of each sample brought to root mean square 1, then scaled element by element.

        x̂ = x / √(1/n Σ x² + ε),   a = γ x̂                 x, x̂, a (m, …, *last)   γ (*last)   Σ over n = Π last
        ∂C/∂γ = Σ error x̂                                  Σ over examples and all axes but the last ones
        error to x = (e − x̂/n Σ e x̂) / √(1/n Σ x² + ε),   e = γ error

    `axes` counts the last axes. `eps` None is the spacing of the dtype's numbers at 1. `affine=False` leaves γ out. It
    is torch.nn.RMSNorm(last), with weight = gamma. Zhang and Sennrich 2019.
    """

    axes: int = 1
    eps: float | None = None
    affine: bool = True
    gamma: Param | None = field(default=None, init=False, repr=False)

    steady: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_axes(self.axes, "RMSNorm")
        self.eps = None if self.eps is None else _eps(self.eps, "RMSNorm")
        check_flags(self, "affine")

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples (…, *last), which stay."""
        last = _last(shape, self.axes)
        self.gamma = self.param("gamma", last, "ones", rng=rng, dtype=dtype) if self.affine else None
        return shape

    def forward(self, at: Record, x: Array) -> Array:
        """γ x̂."""
        part = by_last(x, self.axes)
        eps = float(np.finfo(x.dtype).eps) if self.eps is None else self.eps
        square = products(at, "Σ x²", part, part, WITHIN)
        at.scale = np.multiply(square, 1.0 / part.shape[2], out=at.scale)
        np.add(at.scale, eps, out=at.scale)
        np.sqrt(at.scale, out=at.scale)
        np.reciprocal(at.scale, out=at.scale)
        at.hat = np.multiply(part, at.scale, out=at.hat)
        return scaled(at, at.hat, ELEMENT, self.gamma).reshape(x.shape)

    def backward(self, at: Record, error: Array) -> Array:
        """Through γ, then through x̂ and the root mean square."""
        part = by_last(error, self.axes)
        if self.gamma is not None:
            if not self.frozen:
                at.grad[self.gamma] = products(at, "∂C/∂γ", part, at.hat, ELEMENT).reshape(self.gamma.shape)
            part = at.e = np.multiply(part, self.gamma.value.reshape(-1), out=at.e)
        factor = products(at, "Σ e x̂", part, at.hat, WITHIN)
        np.multiply(factor, -1.0 / part.shape[2], out=factor)
        at.sent = np.multiply(at.hat, factor, out=at.sent)
        np.add(at.sent, part, out=at.sent)
        np.multiply(at.sent, at.scale, out=at.sent)
        return at.sent.reshape(error.shape)


def _set_gradients(layer: BatchNorm | LayerNorm | GroupNorm, at: Record, total: Array, product: Array) -> None:
    """∂C/∂β = Σ error and ∂C/∂γ = Σ error x̂, unless the layer is frozen or without them."""
    if layer.gamma is not None and layer.beta is not None and not layer.frozen:
        at.grad[layer.beta] = total.reshape(layer.beta.shape)
        at.grad[layer.gamma] = product.reshape(layer.gamma.shape)


def _last(shape: Shape, axes: int) -> Shape:
    if len(shape) < axes:
        raise ShapeError(f"takes samples with {axes} ax{'es' if axes > 1 else 'is'} or more, got {shape}")
    return shape[len(shape) - axes :]


def _check_axes(axes: Any, taker: str) -> None:
    if not is_whole(axes) or axes < 1:
        raise GraphError(f"{taker} takes a positive whole number of axes, got {axes!r}")


def _eps(eps: Any, taker: str) -> float:
    if not is_real(eps) or not math.isfinite(eps) or eps < 0:
        raise GraphError(f"{taker} takes a finite eps of 0 or more, got {eps!r}")
    return float(eps)
