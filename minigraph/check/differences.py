"""Central differences, held against the derivatives that somebody claims."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..param import Array

Line: TypeAlias = Callable[[float], Array]
"""Outputs, as one flat array, at a displacement t from where one stands."""
Piece: TypeAlias = tuple[Array, Any, Any]
"""A flat array, the places in it that move, and how far each moves when t grows by 1."""

STEP = float(np.finfo(float).eps ** (1 / 3))  # here rounding and curvature spoil a central difference equally
LADDER = STEP * 4.0 ** np.arange(3.0, -10.0, -1.0)
SMALL = 1e-3  # of an array's root mean square: below, numbers needn't be right in relation to themselves
UNDERFLOW = float(np.finfo(float).tiny / np.finfo(float).eps)  # below, floats lose digits
AROUND = 64  # points near a kink at which slopes are looked at before a claim is called wrong
PATIENCE = 8  # numbers of one array that are looked at closely before disagreement is believed at a glance


class Verdict(NamedTuple):
    """What became of one comparison."""

    place: tuple[int, ...] | None
    """Which number of its array; None for a derivative along a direction through many."""
    claimed: float
    measured: float
    error: float
    """Their difference beyond rounding, relative to the larger of them, or to a share of their array's."""
    kink: bool
    """Whether the function has a kink here, so that there is no derivative but one on each side."""
    ok: bool


def compare(
    values: Array,
    claimed: Array,
    output: Callable[[], Array],
    weight: Array,
    *,
    rng: np.random.Generator,
    samples: int,
    tolerance: float,
    free: Array | None = None,
    movable: Sequence[Array] = (),
) -> list[Verdict]:
    """Hold the claimed derivative of Σ weight ⊙ output() by each element of `values` against central differences.

    `values` is C-contiguous; it is changed for a moment and then put back. Of more than `samples` elements a random
    choice is compared one by one, the others together, along a random direction; where that disagrees, an element to
    blame is searched by halving. Where `free` is given and false, nothing is compared. `movable` are all arrays that
    the output depends on, so as to look around where there are kinks.
    """
    flat, slopes = values.reshape(-1), claimed.reshape(-1)
    reach, scale = np.maximum(1.0, np.abs(flat)), SMALL * _rms(slopes)
    places = np.arange(flat.size) if free is None else np.flatnonzero(free)
    chosen = places
    if places.size > samples:
        chosen = np.sort(rng.choice(places, samples, replace=False))
    verdicts: list[Verdict] = []
    doubts = 0

    def one(i: int) -> Verdict:
        line = along([(flat, i, reach[i])], output)
        found = judge(line, weight, slopes[i] * reach[i], scale * reach[i], tolerance, closely=doubts < PATIENCE)
        place = tuple(int(k) for k in np.unravel_index(i, values.shape))
        return found._replace(place=place, claimed=float(slopes[i]), measured=float(found.measured / reach[i]))

    for i in chosen:
        verdicts.append(_excused(one(int(i)), (flat, [i], reach[i]), movable, output, weight, rng))
        doubts += not verdicts[-1].ok
    tied = np.array([i for i, verdict in zip(chosen, verdicts, strict=True) if verdict.kink and verdict.ok], int)
    if tied.size > 1:  # one by one each of them may claim the same error; together they stay tied
        together = _together(flat, slopes, tied, reach, output, weight, tolerance)
        together = _excused(together, (flat, tied, reach[tied]), movable, output, weight, rng)
        verdicts.append(together._replace(kink=not together.ok))
    others = np.setdiff1d(places, chosen, assume_unique=True)
    if others.size:
        moves = reach * scattered(rng, flat.size)
        together = _together(flat, slopes, others, moves, output, weight, tolerance)
        verdicts.append(_excused(together, (flat, others, moves[others]), movable, output, weight, rng))
        if not verdicts[-1].ok:
            culprit = one(_locate(flat, slopes, others, moves, output, weight))
            if not culprit.ok:
                verdicts[-1] = culprit
    return verdicts


def scattered(rng: np.random.Generator, count: int) -> Array:
    """Numbers of either sign and of different sizes around 1, so that equal slopes don't cancel along them."""
    return rng.choice((-1.0, 1.0), count) * rng.uniform(0.5, 1.5, count)


def along(pieces: Sequence[Piece], output: Callable[[], Array]) -> Line:
    """The outputs as a function of one number t, while the given places of arrays move in proportion to t."""
    starts = [np.array(flat[places]) for flat, places, _ in pieces]

    def line(t: float) -> Array:
        try:
            for (flat, places, moves), start in zip(pieces, starts, strict=True):
                flat[places] = start + t * moves
            return output()
        finally:
            for (flat, places, _), start in zip(pieces, starts, strict=True):
                flat[places] = start

    return line


def judge(
    line: Line, weight: Array, claimed: float, scale: float, tolerance: float, *, closely: bool = True
) -> Verdict:
    """Hold a claimed derivative of Σ weight ⊙ line(t) at t = 0 against central differences.

    When a first difference disagrees, it is looked at closely: outputs that have a kink here let their share of the
    claim lie anywhere between their two one-sided derivatives, and the step that gives the steadiest answer counts.
    """
    measured = _slope(line, STEP, weight)
    error = _relative(claimed - measured, claimed, measured, scale)
    if error <= tolerance / 10 or not closely:
        return Verdict(None, float(claimed), measured, error, False, error <= tolerance)
    here = line(0.0)
    kinked, low, high = _kinks(line, here, weight)
    kink, smooth = bool(kinked.any()), np.where(kinked, 0.0, weight)
    slopes: list[float] = []
    for step in LADDER:
        slopes.append(_slope(line, step, smooth))
        error = _relative(_outside(claimed - slopes[-1], low, high), claimed, slopes[-1], scale)
        if error <= tolerance / 10:
            return Verdict(None, float(claimed), measured if kink else slopes[-1], error, kink, True)
    slope, noise = _steadiest(np.array(slopes), smooth, here)
    error = _relative(max(_outside(claimed - slope, low, high) - noise, 0.0), claimed, slope, scale)
    return Verdict(None, float(claimed), measured if kink else slope, error, kink, error <= tolerance)


def _steadiest(slopes: Array, weight: Array, here: Array) -> tuple[float, float]:
    """The slope on the ladder that depends least on its step, and how far off it may be; NaN when none is a number.

    Curvature and rounding change with the step, what is there doesn't. Rounding errors of slopes grow as steps shrink,
    so that those seen with smaller steps bound those with larger ones. Nothing moving at all tells least.
    """
    middle, steps = slopes[1:-1], LADDER[1:-1]
    spread = np.ptp([slopes[:-2], middle, slopes[2:]], axis=0)
    rough = np.maximum.accumulate((spread * steps)[::-1])[::-1]
    eps = np.finfo(float).eps
    unseen = np.linalg.norm(weight * here) + np.where(middle == 0.0, np.linalg.norm(weight), 0.0)
    noise = (10 * rough + 4 * eps * unseen) / steps
    best = 0 if np.isnan(noise).all() else int(np.nanargmin(noise))
    return float(middle[best]), float(noise[best])


def _kinks(line: Line, here: Array, weight: Array) -> tuple[Array, float, float]:
    """Which outputs have a kink at t = 0, with the least and the largest share of the slope that they may claim.

    At a kink the derivatives to the right and to the left differ, by the same amount however small the step; where
    the function just bends, their difference shrinks with the step.
    """
    jumps = []
    for step in (STEP, STEP / 8, STEP / 64):
        right, left = (line(step) - here) / step, (here - line(-step)) / step
        jumps.append(right - left)
    size = np.abs(jumps)
    steady = (size.max(axis=0) <= 2 * size.min(axis=0)) & (np.ptp(np.sign(jumps), axis=0) == 0)
    kinked: Array = steady & (size[-1] > 1e-4 * (np.abs(right) + np.abs(left)))
    ends = weight[kinked] * left[kinked], weight[kinked] * right[kinked]
    return kinked, float(np.minimum(*ends).sum()), float(np.maximum(*ends).sum())


def _slope(line: Line, step: float, weight: Array) -> float:
    # the difference comes first: what doesn't move cancels exactly
    return float(weight @ (line(step) - line(-step))) / (2 * step)


def _outside(off: float, low: float, high: float) -> float:
    """How far a number lies outside of its bounds."""
    return max(low - off, off - high, 0.0)


def _relative(gap: float, claimed: float, measured: float, scale: float) -> float:
    """|gap| relative to the largest of the others; infinite when any of them isn't a number."""
    error = abs(gap) / max(abs(claimed), abs(measured), scale, UNDERFLOW)
    return float(error) if np.isfinite([claimed, measured, scale, error]).all() else np.inf


def _excused(
    verdict: Verdict,
    piece: Piece,
    movable: Sequence[Array],
    output: Callable[[], Array],
    weight: Array,
    rng: np.random.Generator,
) -> Verdict:
    """The verdict, but right if the function has kinks and slopes around here lie on both sides of the claim.

    Kinks in a chain bound no slope by those to the right and to the left: where two rectifiers start to rise, one to
    the right and one to the left, neither has to.
    """
    if verdict.ok or not verdict.kink:
        return verdict
    starts, slopes = [array.copy() for array in movable], []
    try:
        for _ in range(AROUND):
            for array, start in zip(movable, starts, strict=True):
                array[...] = start + 1e-4 * np.maximum(1.0, np.abs(start)) * rng.standard_normal(start.shape)
            slopes.append(_slope(along([piece], output), STEP / 64, weight))
    finally:
        for array, start in zip(movable, starts, strict=True):
            array[...] = start
    claimed = verdict.claimed if verdict.place is None else verdict.claimed * float(piece[2])
    margin = 1e-3 * float(np.ptp(slopes))
    if min(slopes) - margin <= claimed <= max(slopes) + margin:
        return verdict._replace(ok=True, error=0.0)
    return verdict


def _together(
    flat: Array,
    slopes: Array,
    places: Array,
    moves: Array,
    output: Callable[[], Array],
    weight: Array,
    tolerance: float,
) -> Verdict:
    shares = slopes[places] * moves[places]
    line = along([(flat, places, moves[places])], output)
    return judge(line, weight, float(shares.sum()), float(np.linalg.norm(shares)), tolerance)


def _locate(flat: Array, slopes: Array, places: Array, moves: Array, output: Callable[[], Array], weight: Array) -> int:
    """The place where claim and measurement differ, found by going on with the half that differs more."""
    while len(places) > 1:
        halves = np.array_split(places, 2)
        gaps = [
            abs(slopes[half] @ moves[half] - _slope(along([(flat, half, moves[half])], output), STEP, weight))
            for half in halves
        ]
        places = halves[int(np.argmax(gaps))]
    return int(places[0])


def _rms(array: Array) -> float:
    return float(np.linalg.norm(array) / np.sqrt(array.size))
