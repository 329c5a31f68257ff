"""Folding: blocks or runs of nodes that are alike and follow each other become one, marked ×N."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..layer import Node
from ..layers import Slice
from ..param import Param
from .facts import hyper_parameters
from .scene import Box, Frame

if TYPE_CHECKING:
    from .scene import Scene

PERIOD = 32
"""A repetition is at most so many boxes and blocks long."""
LEAST = 3
"""So many repetitions of plain nodes are worth folding; of blocks, two."""

Users = dict[Node, list[tuple[Node, int]]]


def fold(scene: Scene) -> None:
    """Fold what repeats, on every level: the boxes of the first repetition stand for those of the others.

    Repetitions are alike in layers, hyper-parameters, shapes and wiring: each takes from itself, from the one before,
    or the same from outside. Only the last, or all alike, are used elsewhere. Either all share their Params or none.
    """
    users, runs = scene.users, 0
    frames = [scene.root]
    for frame in frames:
        entries, i = [], 0
        looks = [_look(entry) for entry in frame.entries]
        alike = _alike(looks)
        while i < len(frame.entries):
            period, count = _longest(frame.entries, i, alike, users)
            if count > 1:
                entries.append(_folded(scene, frame, frame.entries[i : i + period * count], count, runs))
                runs += 1
            else:
                entries.append(frame.entries[i])
            i += period * count
        frame.entries = entries
        frames += [entry for entry in entries if isinstance(entry, Frame)]
    for box in scene.root.boxes():
        if box.times > 1:
            drawn = box.units[0]
            scene.stands_for.update((node, drawn[k]) for unit in box.units for k, node in enumerate(unit))


def _folded(scene: Scene, frame: Frame, entries: Sequence[Box | Frame], count: int, run: int) -> Box | Frame:
    """The first of the repetitions, with the nodes of all."""
    period = len(entries) // count
    units = [entries[k : k + period] for k in range(0, len(entries), period)]
    for number, unit in enumerate(units):
        for box in _boxes(unit):
            for node in box.nodes:
                scene.unit[node] = (*scene.unit.get(node, ()), (run, number))
    first = _params(_nodes(units[0]))
    shared = bool(first) and first == _params(_nodes(units[1]))
    for box, *others in zip(*map(_boxes, units), strict=True):
        box.units = [unit for one in (box, *others) for unit in one.units]
        box.nodes = [node for unit in box.units for node in unit]
    kept, last = units[0][0], units[-1][0]
    if period > 1:
        kept = Frame(frame.path, list(units[0]), "", first=next(_boxes(units[0])).nodes[0])
    if isinstance(kept, Frame):
        kept.last = last.title or "" if period == 1 and isinstance(last, Frame) else ""
        kept.times, kept.shared = count, shared
    else:
        kept.repeated = count
        kept.last = last.block if isinstance(last, Box) and last.block is not None else _nodes([last])[0].name
        kept.shared = shared
    return kept


def _longest(entries: Sequence[Box | Frame], i: int, alike: Sequence[Sequence[int]], users: Users) -> tuple[int, int]:
    """Period and count of the repetitions that begin at i and cover most; (1, 1) for none.

    What is made up of shorter repetitions is no repetition of its own, though it may cover one more.
    """
    best, found = (1, 1), list[int]()
    for period in range(1, len(alike)):
        count = 1 + alike[period][i] // period
        made_up = any(period % part == 0 and alike[part][i] >= period - part for part in found)
        if made_up or count < 2 or period * count <= best[0] * best[1]:
            continue
        unit = entries[i : i + period]
        least = 2 if any(isinstance(entry, Frame) or entry.block is not None for entry in unit) else LEAST
        units = [_nodes(entries[i + k * period : i + (k + 1) * period]) for k in range(count)]
        count = _wired_alike(units, users)
        if count >= least and period * count > best[0] * best[1]:
            best = (period, count)
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


def _wired_alike(units: list[list[Node]], users: Users) -> int:
    """How many repetitions, from the first on, are wired alike, to themselves and to the rest."""
    place = {node: (u, j) for u, unit in enumerate(units) for j, node in enumerate(unit)}
    pattern = _wires(units[1], 1, place)
    if not _begins(_wires(units[0], 0, place), pattern, units[0]):
        return 1
    first, seen = _params(units[0]), set(_params(units[0]))
    shared = first == _params(units[1])
    count = 1
    for unit in units[1:]:
        params = _params(unit)
        same = params == first if shared else seen.isdisjoint(params)
        if not same or _wires(unit, count, place) != pattern:
            break
        seen.update(params)
        count += 1
    return _until_used(units[:count], users)


def _wires(unit: list[Node], u: int, place: dict[Node, tuple[int, int]]) -> list[tuple[Any, Any]]:
    """Each input: how many repetitions before and which node there, or which node outside."""
    found: list[tuple[Any, Any]] = []
    for node in unit:
        for source in node.inputs:
            before, j = place.get(source, (None, None))
            found.append(("outside", source) if before is None or before > u else (u - before, j))
    return found


def _begins(first: list[tuple[Any, Any]], pattern: list[tuple[Any, Any]], unit: list[Node]) -> bool:
    """Whether the first repetition takes from outside what the others take from the one before."""
    if any(kind != "outside" and kind > 1 for kind, _ in pattern):
        return False
    for (kind, what), (expected, j) in zip(first, pattern, strict=True):
        if expected == 1:
            if kind != "outside" or (what.shape, what.dtype) != (unit[j].shape, unit[j].dtype):
                return False
        elif (kind, what) != (expected, j):
            return False
    return True


def _params(unit: list[Node]) -> list[Param]:
    return [param for node in unit for param in node.layer.params.values()]


def _until_used(units: list[list[Node]], users: Users) -> int:
    """How many repetitions there are before one is used elsewhere, unless all are, by the same nodes."""
    inside = {node for unit in units for node in unit}
    outside = [[[user for user, _ in users[node] if user not in inside] for node in unit] for unit in units]
    if any(outside[0]):
        return next((u for u, uses in enumerate(outside) if uses != outside[0]), len(units))
    return next((u + 1 for u, uses in enumerate(outside) if any(uses)), len(units))


def _look(entry: Box | Frame) -> tuple[Any, ...]:
    """What has to be equal in two entries that are alike, but for the wiring."""
    if isinstance(entry, Box):
        return (entry.block is None, *map(_kind, entry.units[0]))
    depth = len(entry.path)
    return ("frame", *((box.path[depth:], box.block, *map(_kind, box.units[0])) for box in entry.boxes()))


def _kind(node: Node) -> tuple[Any, ...]:
    layer = node.layer
    # one step after the other of a sequence is sliced by its number
    said = () if isinstance(layer, Slice) else tuple(hyper_parameters(layer).items())
    params = tuple((name, param.shape) for name, param in layer.params.items())
    return type(layer), said, layer.frozen, params, node.shape, node.dtype, len(node.inputs)


def _boxes(entries: Sequence[Box | Frame]) -> Iterator[Box]:
    for entry in entries:
        if isinstance(entry, Frame):
            yield from entry.boxes()
        else:
            yield entry


def _nodes(entries: Sequence[Box | Frame]) -> list[Node]:
    """The nodes of the first repetition in entries that may be folded already."""
    return [node for box in _boxes(entries) for node in box.units[0]]
