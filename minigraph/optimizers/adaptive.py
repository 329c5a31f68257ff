"""Optimizers that scale each weight's step by the gradients it has seen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..numbers import is_real
from ..param import Array
from ..schedules import Rate
from .bundle import Bundle
from .optimizer import Optimizer


@dataclass(eq=False)
class AdaGrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients so far.

        g = ∂C/∂w + λ w,   s ← s + g²,   w ← w − η_t g / (√s + ε)          λ = weight_decay
        η_t = η / (1 + (t − 1) lr_decay)   in step t = 1, 2 …

    Equals Adagrad of PyTorch. Duchi, Hazan and Singer 2011.
    """

    lr: Rate = 0.01
    lr_decay: float = 0.0
    eps: float = 1e-10
    weight_decay: float = 0.0

    def check(self) -> None:
        """Numbers of 0 or more."""
        super().check()
        for name in ("lr_decay", "eps", "weight_decay"):
            self._amount(name)

    def move(self, bundle: Bundle, rate: float) -> None:
        """η_t g / (√s + ε), after s ← s + g²."""
        g, scratch = bundle.g, bundle.scratch("g²")
        if self.weight_decay:
            bundle.add_weights(self.weight_decay)
        s = bundle.kept("s")
        np.add(s, np.multiply(g, g, out=scratch), out=s)
        np.add(np.sqrt(s, out=scratch), self.eps, out=scratch)
        np.divide(g, scratch, out=g)
        np.multiply(g, rate / (1 + (bundle.taken - 1) * self.lr_decay), out=g)


@dataclass(eq=False)
class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of squared gradients.

        g = ∂C/∂w + λ w,   s ← α s + (1 − α) g²                            λ = weight_decay
        u = g / (√s + ε),   w ← w − η u
        centered:       ḡ ← α ḡ + (1 − α) g,   u = g / (√(s − ḡ²) + ε)     (the variance, not the second moment)
        with momentum:  v ← μ v + u,   w ← w − η v

    Equals RMSprop of PyTorch. Tieleman and Hinton 2012 (lecture 6e of "Neural networks for machine learning").
    """

    lr: Rate = 0.01
    alpha: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0
    centered: bool = False
    weight_decay: float = 0.0

    def check(self) -> None:
        """Numbers of 0 or more, alpha below 1."""
        super().check()
        for name in ("eps", "momentum", "weight_decay"):
            self._amount(name)
        self._amount("alpha", below=1)
        self._flag("centered")

    def move(self, bundle: Bundle, rate: float) -> None:
        """η u or, with momentum, η v."""
        g, scratch = bundle.g, bundle.scratch("g²")
        if self.weight_decay:
            bundle.add_weights(self.weight_decay)
        s = bundle.kept("s")
        np.multiply(g, g, out=scratch)
        _average(s, self.alpha, scratch)
        if self.centered:
            mean = bundle.kept("mean")
            np.copyto(scratch, g)
            _average(mean, self.alpha, scratch)
            np.subtract(s, np.multiply(mean, mean, out=scratch), out=scratch)
            np.maximum(scratch, 0.0, out=scratch)  # rounding, where gradients stay the same for long
            np.sqrt(scratch, out=scratch)
        else:
            np.sqrt(s, out=scratch)
        np.divide(g, np.add(scratch, self.eps, out=scratch), out=g)
        if self.momentum:
            v = bundle.kept("v")
            np.multiply(v, self.momentum, out=v)
            np.multiply(np.add(v, g, out=v), rate, out=g)
        else:
            np.multiply(g, rate, out=g)


@dataclass(eq=False)
class Adam(Optimizer):
    """Steps along a running mean of gradients, divided by the root of one of their squares.

        g = ∂C/∂w + λ w,   m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²          λ = weight_decay
        w ← w − η m̂ / (√v̂ + ε),   m̂ = m / (1 − β₁ᵗ),   v̂ = v / (1 − β₂ᵗ)   in step t = 1, 2 …

    t counts the steps in which this Param moved. Equals Adam of PyTorch. Kingma and Ba 2015.
    """

    lr: Rate = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0

    def check(self) -> None:
        """Numbers of 0 or more, betas below 1."""
        super().check()
        self._amount("eps")
        self._amount("weight_decay")
        pair = isinstance(self.betas, (tuple, list)) and len(self.betas) == 2
        fine = pair and all(is_real(beta) and 0 <= beta < 1 for beta in self.betas)
        self._require("betas", fine, "two betas from 0 to below 1")
        self.betas = float(self.betas[0]), float(self.betas[1])

    def move(self, bundle: Bundle, rate: float) -> None:
        """η m̂ / (√v̂ + ε)."""
        if self.weight_decay:
            bundle.add_weights(self.weight_decay)
        self._adapt(bundle, rate)

    def _adapt(self, bundle: Bundle, rate: float) -> None:
        g, scratch, (one, two) = bundle.g, bundle.scratch("g²"), self.betas
        m, v = bundle.kept("m"), bundle.kept("v")
        np.multiply(g, g, out=scratch)
        _average(m, one, g)
        _average(v, two, scratch)
        root = math.sqrt(1 - two**bundle.taken)  # √v̂ = √v / root: numerator and denominator are both taken times root
        np.add(np.sqrt(v, out=scratch), self.eps * root, out=scratch)
        np.divide(m, scratch, out=g)
        np.multiply(g, rate * root / (1 - one**bundle.taken), out=g)


@dataclass(eq=False)
class AdamW(Adam):
    """Adam with weight decay apart from the gradient, which the running means then don't see.

        m, v, m̂, v̂ as in Adam, of g = ∂C/∂w
        w ← w − η λ w − η m̂ / (√v̂ + ε)                                     λ = weight_decay

    Equals AdamW of PyTorch. Loshchilov and Hutter 2019.
    """

    weight_decay: float = 0.01

    def move(self, bundle: Bundle, rate: float) -> None:
        """η λ w + η m̂ / (√v̂ + ε)."""
        self._adapt(bundle, rate)
        if self.weight_decay:
            bundle.add_weights(rate * self.weight_decay)


def _average(mean: Array, beta: float, new: Array) -> None:
    """mean ← β mean + (1 − β) new; new is used up."""
    np.multiply(mean, beta, out=mean)
    np.multiply(new, 1 - beta, out=new)
    np.add(mean, new, out=mean)
