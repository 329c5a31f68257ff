"""Folding: blocks or runs of nodes that are alike become one, marked ×N."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from ..costs import Penalty
from ..layer import Node
from ..layers import Slice
from ..param import Param, Transposed
from .boxes import Box, Frame
from .facts import hyper_parameters

PERIOD = 32
"""A repetition is at most so many boxes and blocks long."""
LEAST = 3
"""So many repetitions of plain nodes are worth folding; of blocks, two."""

Users = dict[Node, list[tuple[Node, int]]]


@dataclass
class Folded:
    """What became of the nodes that were folded."""

    stands_for: dict[Node, Node] = field(default_factory=dict)
    """Of each, the one that is drawn for it."""
    unit: dict[Node, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    """Of each, the runs it is in and the number of its repetition in each."""


def fold(root: Frame, users: Users) -> Folded:
    """Fold what repeats, on every level: the boxes of the first repetition stand for those of the others.

    Repetitions are alike in layers, hyper-parameters, shapes and wiring: each takes from itself, from the one before,
    or the same from outside. Only the last, or all alike, are used elsewhere. Either all share their Params or none,
    and then with nobody else. Slices fold where they count up or down.
    """
    folded, runs, owners = Folded(), 0, Owners(root)
    frames = [root]
    for frame in frames:
        entries: list[Box | Frame] = []
        alike, i = _alike([_look(entry) for entry in frame.entries]), 0
        while i < len(frame.entries):
            run = _longest(frame.entries, i, alike, users, owners)
            if run is None:
                entries.append(frame.entries[i])
                i += 1
                continue
            entries.append(_joined(folded, frame, frame.entries[i : i + run.period * run.count], run, runs))
            runs, i = runs + 1, i + run.period * run.count
        frame.entries = entries
        frames += [entry for entry in entries if isinstance(entry, Frame)]
    for box in root.boxes():
        if box.times > 1:
            drawn = box.units[0]
            folded.stands_for.update((node, drawn[k]) for unit in box.units for k, node in enumerate(unit))
    return folded


def _joined(folded: Folded, frame: Frame, entries: Sequence[Box | Frame], run: Run, number: int) -> Box | Frame:
    """The first of the repetitions, with the nodes of all."""
    units = [entries[k : k + run.period] for k in range(0, len(entries), run.period)]
    for place, unit in enumerate(units):
        for box in _boxes(unit):
            for node in box.nodes:
                folded.unit[node] = (*folded.unit.get(node, ()), (number, place))
    for box, *others in zip(*map(_boxes, units), strict=True):
        box.units = [unit for one in (box, *others) for unit in one.units]
    kept, last = units[0][0], units[-1][0]
    if run.period > 1:
        kept, last = Frame(frame.path, list(units[0])), Frame(())
    if isinstance(kept, Frame):
        kept.times, kept.last, kept.carried = run.count, cast(Frame, last).title, run.carried
    else:
        kept.repeated, kept.last = run.count, cast(Box, last).name
    kept.shared, kept.chained = run.shared, bool(run.carried)
    return kept


@dataclass
class Run:
    """Repetitions that were found to be alike."""

    period: int
    count: int
    shared: bool = False
    carried: list[tuple[Node, Node]] = field(default_factory=list)


def _longest(
    entries: Sequence[Box | Frame], i: int, alike: Sequence[Sequence[int]], users: Users, owners: Owners
) -> Run | None:
    """The repetitions that begin at i and cover most.

    What is made up of shorter repetitions is no repetition of its own, though it may cover one more.
    """
    best, found = None, list[int]()
    for period in range(1, len(alike)):
        most = 1 + alike[period][i] // period
        made_up = any(period % part == 0 and alike[part][i] >= period - part for part in found)
        if made_up or most < 2 or (best and period * most <= best.period * best.count):
            continue
        unit = entries[i : i + period]
        least = 2 if any(isinstance(entry, Frame) or entry.block is not None for entry in unit) else LEAST
        run = _wired_alike(entries, i, period, most, users, owners)
        if run.count >= least and not (best and period * run.count <= best.period * best.count):
            best = run
            found.append(period)
    return best


def _alike(looks: Sequence[Any]) -> list[list[int]]:
    """For each period and place, how many entries from there on look like those a period later."""
    n = len(looks)
    found = [[0] * n]
    for period in range(1, min(PERIOD, n // 2) + 1):
        run = [0] * (n + 1)
        for i in range(n - period - 1, -1, -1):
            run[i] = run[i + 1] + 1 if looks[i] == looks[i + period] else 0
        found.append(run)
    return found


def _wired_alike(entries: Sequence[Box | Frame], i: int, period: int, most: int, users: Users, owners: Owners) -> Run:
    """The repetitions from i on, up to the first that differs from the second in wiring, Params or use."""
    first, second = (_nodes(entries[k : k + period]) for k in (i, i + period))
    place = {node: (u, j) for u, unit in enumerate((first, second)) for j, node in enumerate(unit)}
    run, pattern = Run(period, 1), _wires(second, 1, place)
    if not _begins(_wires(first, 0, place), pattern, first):
        return run
    params, seen = owners.of(first), {param for param, _ in owners.of(first)}
    before, used, step = first, None, None
    for u in range(1, most):
        unit = _nodes(entries[i + u * period : i + (u + 1) * period])
        place.update((node, (u, j)) for j, node in enumerate(unit))
        wires, stride = _wires(unit, u, place), _stride(before, unit)
        outside = [[user for user, _ in users[node] if user not in place] for node in before]
        if used is None:
            step, used = stride, outside
            run.shared = bool(params) and params == owners.of(unit)
            if step is None or not (run.shared or owners.alone(first)):
                return run
        elif any(used):
            if outside != used:  # the one before isn't used as the others are
                run.count -= 1
                return run
        elif any(outside):  # the one before is the last that only its successor uses
            return run
        mine = owners.of(unit)
        same = mine == params if run.shared else _shape(mine) == _shape(params) and seen.isdisjoint(p for p, _ in mine)
        if wires != pattern or stride != step or not same or not (run.shared or owners.alone(unit)):
            break
        seen.update(param for param, _ in mine)
        if u == 1:
            takers = [node for node in unit for _ in node.inputs]
            index = {node: j for j, node in enumerate(unit)}
            run.carried = [(first[j], first[index[t]]) for t, (du, j) in zip(takers, wires, strict=True) if du == 1]
        run.count, before = u + 1, unit
    if used and any(used):
        place = {node: spot for node, spot in place.items() if spot[0] < run.count}
        if [[user for user, _ in users[node] if user not in place] for node in before] != used:
            run.count -= 1
    return run


def _wires(unit: list[Node], u: int, place: dict[Node, tuple[int, int]]) -> list[tuple[Any, Any]]:
    """Each input: how many repetitions before and which node there, or which node outside."""
    found: list[tuple[Any, Any]] = []
    for node in unit:
        for source in node.inputs:
            before, j = place.get(source, (None, None))
            found.append(("outside", source) if before is None or before > u else (u - before, j))
    return found


def _begins(first: list[tuple[Any, Any]], pattern: list[tuple[Any, Any]], unit: list[Node]) -> bool:
    """Whether the first repetition takes from outside, one node for each, what others take from the one before."""
    if any(kind != "outside" and kind > 1 for kind, _ in pattern):
        return False
    began: dict[int, Node] = {}
    for (kind, what), (expected, j) in zip(first, pattern, strict=True):
        if expected == 1:
            if kind != "outside" or began.setdefault(j, what) is not what:
                return False
            if (what.shape, what.dtype) != (unit[j].shape, unit[j].dtype):
                return False
        elif (kind, what) != (expected, j):
            return False
    return True


def _stride(before: list[Node], unit: list[Node]) -> list[tuple[int, ...]] | None:
    """By how much the indices of Slices grow from one repetition to the next; None where several numbers change."""
    strides = []
    for old, new in zip(before, unit, strict=True):
        if isinstance(old.layer, Slice) and isinstance(new.layer, Slice):
            pairs = zip(old.layer.index, new.layer.index, strict=True)
            strides.append(tuple(b - a for a, b in pairs if isinstance(a, int) and isinstance(b, int)))
    return None if any(sum(map(bool, stride)) > 1 for stride in strides) else strides


class Owners:
    """The Params of each node, and the nodes that use each Param, other than penalties, which are about it."""

    def __init__(self, root: Frame):
        self.params = {node: list(node.layer.params.items()) for box in root.boxes() for node in box.nodes}
        self.users: dict[Param, set[Node]] = {}
        for node, params in self.params.items():
            for _, param in () if isinstance(node.layer, Penalty) else params:
                self.users.setdefault(param, set()).add(node)

    def of(self, unit: list[Node]) -> list[tuple[Param, str]]:
        """The Params of some nodes, with their names."""
        return [(param, name) for node in unit for name, param in self.params[node]]

    def alone(self, unit: list[Node]) -> bool:
        """Whether nobody else uses the Params of these nodes."""
        inside = set(unit)
        return all(self.users.get(param, inside) <= inside for param, _ in self.of(unit))


def _shape(params: list[tuple[Param, str]]) -> list[int]:
    """Which of some Params are the same: each by where it occurs first."""
    first: dict[Param, int] = {}
    return [first.setdefault(param, place) for place, (param, _) in enumerate(params)]


def _look(entry: Box | Frame) -> tuple[Any, ...]:
    """What has to be equal in two entries that are alike, but for the wiring."""
    if isinstance(entry, Box):
        return (entry.block is None, *map(_kind, entry.units[0]))
    depth = len(entry.path)
    return ("frame", *((box.path[depth:], box.block, *map(_kind, box.units[0])) for box in entry.boxes()))


def _kind(node: Node) -> tuple[Any, ...]:
    layer = node.layer
    if isinstance(layer, Slice):
        said: tuple[Any, ...] = tuple(repr(part) if not isinstance(part, int) else int for part in layer.index)
    else:
        said = (layer.describe(), *hyper_parameters(layer).items())
    transposed = isinstance(getattr(layer, "weights", None), Transposed)
    params = tuple((name, param.shape) for name, param in layer.params.items())
    return type(layer), said, transposed, layer.frozen, params, node.shape, node.dtype, len(node.inputs)


def _boxes(entries: Sequence[Box | Frame]) -> Iterator[Box]:
    for entry in entries:
        if isinstance(entry, Frame):
            yield from entry.boxes()
        else:
            yield entry


def _nodes(entries: Sequence[Box | Frame]) -> list[Node]:
    """The nodes of the first repetition in entries that may be folded already."""
    return [node for box in _boxes(entries) for node in box.units[0]]
