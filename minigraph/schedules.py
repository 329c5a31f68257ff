"""Schedules: how the learning rate changes in the course of a training."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from .errors import GraphError
from .numbers import is_real, is_whole

Rate: TypeAlias = "float | Callable[[int], float]"
"""What an optimizer takes as `lr`: a number, or a function of the steps taken so far, such as a Schedule."""


class Schedule:
    """A function from n, the number of steps taken so far (0, 1, 2 …), to the learning rate η of the next step.

    Any function of n is a schedule, too. What a schedule says beyond that by attributes: with `per="epoch"`, n is the
    number of epochs that are over; one with a method `observe(cost)` is told the cost after each epoch, and each
    optimizer works with a copy of it. An optimizer hears of epochs from `fit`, or by its `epoch_ended(cost)`.
    """

    per: Literal["step", "epoch"] = "step"

    def __call__(self, n: int) -> float:
        """The learning rate after n steps or epochs."""
        raise NotImplementedError(f"{type(self).__name__} has no __call__(self, n)")

    def _check(self, *, numbers: str = "", counts: str = "", smallest: int = 1) -> None:
        kind = type(self).__name__
        for name in numbers.split():
            value = getattr(self, name)
            if not is_real(value) or not math.isfinite(value) or value < 0:
                raise GraphError(f"{kind} takes a finite {name} of 0 or more, got {value!r}")
            object.__setattr__(self, name, float(value))
        for name in counts.split():
            value = getattr(self, name)
            if not is_whole(value) or value < smallest:
                raise GraphError(f"{kind} takes a whole number of {smallest} or more as {name}, got {value!r}")
        if self.per not in ("step", "epoch"):
            raise GraphError(f"{kind} counts per 'step' or per 'epoch', got {self.per!r}")


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate always: η = lr."""

    lr: float

    def __post_init__(self) -> None:
        self._check(numbers="lr")

    def __call__(self, n: int) -> float:
        """Return lr."""
        return self.lr


@dataclass(frozen=True)
class Step(Schedule):
    """A rate that falls by a factor every so many steps, as StepLR of PyTorch.

    η = lr · factor^⌊n / every⌋
    """

    lr: float
    every: int
    factor: float = 0.1
    per: Literal["step", "epoch"] = field(default="step", kw_only=True)

    def __post_init__(self) -> None:
        self._check(numbers="lr factor", counts="every")

    def __call__(self, n: int) -> float:
        """Return lr · factor^⌊n / every⌋."""
        return float(self.lr * self.factor ** (n // self.every))


@dataclass(frozen=True)
class Cosine(Schedule):
    """A rate that, after a linear warm-up of W steps, goes down by half a cosine to its final value at step N.

        η = lr (n + 1) / (W + 1)                                                for n < W,  W = warmup
        η = final + ½ (lr − final) (1 + cos(π (n − W) / (N − W)))               for n ≥ W,  N = steps, W among them

    As in PyTorch LinearLR(start_factor=1/(W+1), total_iters=W) and, from step W on, CosineAnnealingLR(T_max=N−W,
    eta_min=final); but from step N on the rate stays final, where PyTorch's climbs again: a training that goes on
    for longer than planned is not to be undone. Loshchilov and Hutter 2017, without restarts.
    """

    lr: float
    steps: int
    final: float = 0.0
    warmup: int = 0
    per: Literal["step", "epoch"] = field(default="step", kw_only=True)

    def __post_init__(self) -> None:
        self._check(numbers="lr final", counts="steps")
        self._check(counts="warmup", smallest=0)
        if self.warmup >= self.steps:
            raise GraphError(f"Cosine takes a warmup shorter than its {self.steps} steps, got {self.warmup}")

    def __call__(self, n: int) -> float:
        """Return the rate on the way up, down, or at the end."""
        if n < self.warmup:
            return self.lr * (n + 1) / (self.warmup + 1)
        return _cosine(self.lr, self.final, (n - self.warmup) / (self.steps - self.warmup))


@dataclass(frozen=True)
class OneCycle(Schedule):
    """A rate that goes up to a peak and down to almost nothing, both by half a cosine, as OneCycleLR of PyTorch.

        from peak / div_factor  to peak                                          at n = pct_start · steps − 1
        and then to  peak / (div_factor · final_div_factor)                      at n = steps − 1

    Only the learning rate: PyTorch's moves the momentum the other way unless told not to (cycle_momentum=False), and
    raises an error after the last step, where this one stays as it is. Smith and Topin 2018.
    """

    peak: float
    steps: int
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    per: Literal["step", "epoch"] = field(default="step", kw_only=True)

    def __post_init__(self) -> None:
        self._check(numbers="peak pct_start div_factor final_div_factor", counts="steps")
        if self.pct_start > 1:
            raise GraphError(f"OneCycle takes a pct_start from 0 to 1, got {self.pct_start!r}")
        if not self.div_factor or not self.final_div_factor:
            raise GraphError("OneCycle divides by div_factor and final_div_factor: give numbers above 0")

    def __call__(self, n: int) -> float:
        """Return the rate on the way up, down, or at the end."""
        top, low = self.pct_start * self.steps - 1, self.peak / self.div_factor
        if n < top:
            return _cosine(low, self.peak, n / top)
        last = self.steps - 1
        return _cosine(self.peak, low / self.final_div_factor, (n - top) / (last - top) if last > top else n > top)


@dataclass(eq=False)
class Plateau(Schedule):
    """A rate that falls by a factor when the cost has not got better for more than `patience` epochs.

        better: C < best (1 − threshold);   η ← max(factor η, minimum)

    As ReduceLROnPlateau of PyTorch (mode "min", threshold mode "rel", and no fall by less than 1e-8). `observe` tells
    it the cost after an epoch: that of the validation examples if there are any. It remembers best and η: each
    optimizer therefore works with a copy of its own.
    """

    lr: float
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    minimum: float = 0.0
    best: float = field(default=math.inf, init=False)
    waited: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._check(numbers="lr factor threshold minimum")
        self._check(counts="patience", smallest=0)
        if self.factor >= 1:
            raise GraphError(f"Plateau takes a factor below 1, got {self.factor!r}")
        self.now = self.lr

    def observe(self, cost: float) -> None:
        """Take note of the cost after an epoch."""
        if cost < self.best * (1 - self.threshold):
            self.best, self.waited = cost, 0
            return
        self.waited += 1
        if self.waited > self.patience:
            self.waited = 0
            lower = max(self.now * self.factor, self.minimum)
            if self.now - lower > 1e-8:
                self.now = lower

    def __call__(self, n: int) -> float:
        """Return the rate that the costs so far have led to, whatever n."""
        return self.now


def _cosine(start: float, end: float, part: float) -> float:
    """Where half a cosine from start to end has come after a part of its way; at its end from then on."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * min(part, 1.0)))
