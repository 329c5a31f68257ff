"""The second-order check: whether gradients around a point are those of one function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..errors import MinigraphError
from ..layer import Input
from ..param import Array
from ..schedule import reaches
from .differences import SMALL, STEP, UNDERFLOW, Line, Verdict, along, scattered
from .whole import LEAVES, Whole

EPS = float(np.finfo(float).eps)
WIDE = EPS**0.25  # here rounding and curvature spoil a mixed second difference equally
POINTS = 3  # tried at most, until what is measured doesn't depend on the step
ROUGH = 100  # times the rounding of one number: that of all those which a sweep computes


class Around:
    """The whole and its gradient, as functions of where in all Params and inputs one stands.

    What enters as a constant though it depends on Params or inputs has to stay one: those don't move.
    """

    def __init__(self, whole: Whole):
        self.whole = whole
        behind, open_ = {node.inputs[slot] for node, slot in whole.held}, reaches(whole.seeds)
        for node in reversed(whole.order):
            behind.update(node.inputs if node in behind else ())
        fixed = {param for node in behind for param in node.layer.params.values()}
        self.params = {name: p for name, p in whole.run.graph.params.items() if p not in fixed}
        inputs = [node for node in whole.order if isinstance(node.layer, Input) and node.dtype.kind == "f"]
        self.inputs = [node for node in inputs if node in open_ and node not in behind]
        self.names = [*self.params, *(node.name for node in self.inputs)]
        arrays = [*(p.value for p in self.params.values()), *(whole.fed[node] for node in self.inputs)]
        masks = [*(whole.masks.get(p, 1.0) for p in self.params.values()), *(1.0 for _ in self.inputs)]
        self.flat = [array.reshape(-1) for array in arrays]
        self.owner = np.repeat(np.arange(len(arrays)), [array.size for array in arrays])
        far = [np.ravel(mask * np.maximum(1.0, np.abs(x))) for mask, x in zip(masks, arrays, strict=True)]
        self.u, self.v = (np.concatenate([*far, []]) * scattered(whole.rng, self.owner.size) for _ in "uv")

    def along(self, direction: Array, output: Callable[[], Array]) -> Line:
        """The output along a direction through all Params and inputs."""
        return along([(flat, slice(None), direction[self.owner == k]) for k, flat in enumerate(self.flat)], output)

    def gradient(self) -> Array:
        """All gradients, one after the other, of a run from where the arrays stand."""
        whole, feeds = self.whole, {node.name: x for node, x in self.whole.fed.items()}
        run = whole.run.graph.forward(feeds, training=whole.run.training, seed=whole.run.clock.seed)
        run.backward(whole.source(), wrt=self.inputs)
        found = [whole.gradient(p, run).ravel() for p in self.params.values()]
        return np.concatenate(found + [run[node].error.ravel() / run.m for node in self.inputs])

    def compared(self, one: int, others: Sequence[int], limit: float) -> Verdict | None:
        """Hold three measures of vᵀ H u against each other; None where they depend on the step."""
        found, u, v = list[Array](), self.u * (self.owner == one), self.v * np.isin(self.owner, others)
        weight, here, g = self.whole.weight, self.whole.output(), np.abs(self.gradient())
        terms = np.linalg.norm(weight) + (np.abs(u) + np.abs(v)) @ g
        for shrink in (1.0, 0.25, 0.0625):  # next to a kink, two may agree by chance
            step, wide = STEP * shrink, WIDE * shrink**0.5
            lines = self.along(u, self.gradient), self.along(v, self.gradient)
            by_u, by_v = ((line(step) - line(-step)) / (2 * step) for line in lines)

            def slope(wide: float = wide) -> Array:
                line = self.along(v, self.whole.output)
                return line(wide) - line(-wide)

            line = self.along(u, slope)
            shares = v * by_u
            numbers = np.array([shares.sum(), u @ by_v, weight @ (line(wide) - line(-wide)) / (4 * wide**2)])
            noise = ROUGH * EPS * np.array([terms / step, terms / step, np.linalg.norm(weight * here) / wide**2])
            scale = max(np.abs(numbers).max(), SMALL * float(np.linalg.norm(shares)), UNDERFLOW)
            gaps = np.maximum(np.abs(numbers - numbers[0]) - noise - noise[0], 0.0) / scale
            found.append(numbers)
            if not np.isfinite(gaps).all():
                return None
            k = int(np.argmax(gaps)) or 2
            if gaps[k] <= limit:
                return Verdict(None, float(numbers[0]), float(numbers[k]), 0.0, False, True)
        steady = (np.ptp(found, axis=0) <= 0.1 * gaps[k] * scale).all()  # far less than they differ
        return Verdict(None, float(numbers[0]), float(numbers[k]), float(gaps[k]), False, False) if steady else None


def second_order(whole: Whole, tolerance: float) -> Iterator[tuple[str, Verdict]]:
    """For each Param and input, whether its rows of H = ∂²C/∂p∂p are right; if not, with which other it is worst.

    For random directions, u through this one and v through all, where gradients g are those of C:

        vᵀ H u  =  vᵀ (g(p + hu) − g(p − hu)) / 2h  =  uᵀ (g(p + hv) − g(p − hv)) / 2h
                =  (C(p + hu + hv) − C(p + hu − hv) − C(p − hu + hv) + C(p − hu − hv)) / 4h²

    p stands beside the run's point, off its kinks. Where what is measured depends on h all the same, as near another
    kink, nothing is said. Rounding apart, H may be off by 100 times the tolerance.
    """
    around = Around(_beside(whole))
    every = range(len(around.names))
    for one in np.sort(whole.rng.choice(len(every), min(LEAVES, len(every)), replace=False)) if every else ():
        verdict, part = around.compared(one, every, 100 * tolerance), around.names[one]
        for _ in range(POINTS - 1):
            if verdict is None:
                around = Around(_beside(around.whole))
                verdict = around.compared(one, every, 100 * tolerance)
        if verdict is not None and not verdict.ok:
            pairs = [(around.compared(one, [other], 100 * tolerance), other) for other in every]
            wrong = [(pair.error, other, pair) for pair, other in pairs if pair is not None and not pair.ok]
            if wrong:
                _, other, verdict = max(wrong)
                part = f"{part} and {around.names[other]}"
        if verdict is not None:
            yield part, verdict


def _beside(whole: Whole) -> Whole:
    try:
        return whole.beside()
    except MinigraphError:  # a layer doesn't take the values there
        return whole
