"""The wiring of a graph as JSON, and graphs from it: the schema is in docs/saving.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import cached_property
from typing import Any, cast

import numpy as np

from ..costs import Penalty
from ..errors import FileError, GraphError
from ..graph import Graph
from ..layer import Input, Layer, Node
from ..layers.axes import MOST_AXES
from ..numbers import is_whole
from ..param import Array, Param
from ..record import whole
from .kinds import built_in, built_in_of
from .values import Reader, Writer, within

VERSION = 1
"""Grows when files of one version can't be read by the programs of the version before."""

MOST_IDS = 10_000_000
"""So many more ids than nodes have been given out in no graph."""


def described(graph: Graph) -> tuple[dict[str, Any], Writer]:
    """The wiring of a graph, and what gathered its arrays; raises GraphError for what a file can't hold."""
    writer = Writer({param: name for name, param in graph.params.items()})
    place = {node: i for i, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        if not isinstance(node.layer, Penalty):
            writer.layer(node.layer, node.name)
    for node in graph.nodes:
        if isinstance(node.layer, Penalty):  # last, as it refers to the layers that have its Params
            _choose(writer, node)
    found = {
        "version": VERSION,
        "name": graph.name,
        "dtype": graph.dtype.name,
        **graph._draws,
        "next_id": graph._next_id,
        "params": writer.params,
        "objects": writer.objects,
        "layers": writer.layers,
        "nodes": [_row(node, writer.layer(node.layer, node.name), place) for node in graph.nodes],
        "names": list(graph.names.nodes),
        "counters": graph.names._counters,
        "outputs": [place[node] for node in graph._outputs],
        "recomputed": sorted(graph.recomputed),
    }
    own = {type(node.layer) for node in graph.nodes} - set(built_in().values())
    if own:
        _rehearse(graph, found, writer, own)
    return found, writer


def _row(node: Node, layer: int, place: Mapping[Node, int]) -> dict[str, Any]:
    return {
        "id": node.id,
        "name": node.name,
        "layer": layer,
        "inputs": [place[source] for source in node.inputs],
        "shape": node.shape,
        "dtype": node.dtype.name,
        "block": node.block,
        "source": node.source,
    }


def _choose(writer: Writer, node: Node) -> None:
    """Write down the Params that a penalty picked, and the layers that have them."""
    penalty = cast(Penalty, node.layer)
    row = writer.layers[writer.layer(penalty, node.name)]
    row["params"] = {}
    row["chosen"] = [
        [name, writer.param(param), [writer.layer(layer, name) for layer in penalty.owners[name]]]
        for name, param in penalty.chosen.items()
    ]


class _Held(dict[str, Array]):
    """Arrays that are still in memory, in the place of a file."""

    @property
    def dtypes(self) -> dict[str, np.dtype[Any]]:
        """Of each array."""
        return {name: array.dtype for name, array in self.items()}


def _rehearse(graph: Graph, found: dict[str, Any], writer: Writer, own: set[type[Layer]]) -> None:
    """Raise GraphError for layers of one's own that wouldn't come back as they are: now, not when a file is loaded."""
    nodes = [node for node in graph.nodes if type(node.layer) in own]
    for node in nodes:
        try:
            type(node.layer)(**{part.name: getattr(node.layer, part.name) for part in fields(node.layer) if part.init})
        except TypeError as fault:
            raise _unfit(
                node, f"it isn't made from its fields ({fault}): make it a dataclass, @dataclass(eq=False)"
            ) from None
    twin = built(json.loads(json.dumps(found)), _Held(writer.tensors))
    for node in nodes:
        there = vars(twin[node.name].layer)
        for name, value in vars(node.layer).items():
            cached = isinstance(getattr(type(node.layer), name, None), cached_property)
            if not cached and (name not in there or not _alike(value, there[name])):
                raise _unfit(node, f"its {name} would be lost: make it a field of the dataclass, or a statistic")


def _alike(one: Any, other: Any) -> bool:
    """Whether two values are equal, as far as they are numbers, texts, arrays, or lists and dicts of these."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes()
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, (bool, int, float, str, np.generic, type(None))):
        return bool(one == other) or (one != one and other != other)
    return type(one) is type(other)


def _unfit(node: Node, why: str) -> GraphError:
    kind = type(node.layer).__name__
    return GraphError(f"{kind} {node.name!r} (added at {node.source}) can't be saved, as {why}")


# ---- and back ----


def built(found: Any, tensors: Any) -> Graph:
    """The graph of a wiring; raises FileError, or what a layer raises, where it is none."""
    version = found.get("version") if isinstance(found, dict) else None
    if not is_whole(version) or version < 1:
        raise FileError(f"its version is {version!r:.80}, and no whole number from 1 on")
    if version > VERSION:
        raise FileError(f"it is of version {version!r:.80}, which is newer than {VERSION}: update minigraph")
    graph = Graph(_text(found["name"]), seed=found["seed"], dtype=found["dtype"])
    graph._draws = found | {"entropy": whole(found["entropy"], "graph"), "runs": _count(found["runs"])}
    params = [_param(graph, tensors, *row) for row in found["params"]]
    for param in params:
        graph._arena.settle(param)
    reader = Reader(tensors, params)
    reader.make(found["objects"], found["layers"])
    given = [_furnish(layer, row, reader) for row, layer in zip(found["layers"], reader.layers, strict=True)]
    seen: set[int] = set()
    for row in found["nodes"]:
        _put(graph, row, reader.layers[_index(row["layer"], reader.layers)])
        seen.add(graph.nodes[-1].id)
    if len(seen) < len(graph.nodes):
        raise FileError("two of its nodes have one id")
    graph._next_id = _count(found["next_id"])
    if seen and graph._next_id <= max(seen):
        raise FileError("its next id is in use")
    if graph._next_id > MOST_IDS + len(seen):  # runs have room for all ids up to the largest
        raise FileError(f"its next id, {graph._next_id}, is too large for its {len(seen)} nodes")
    for row, layer, statistics in zip(found["layers"], reader.layers, given, strict=True):
        _compare(layer, row, params, statistics)
    _arrange(graph, found)
    return graph


def _param(graph: Graph, tensors: Any, tensor: Any, name: Any) -> Param:
    if tensors.dtypes.get(tensor) != graph.dtype:
        raise FileError(f"it has no array {tensor!r} of {graph.dtype}")
    return Param(tensors[tensor], _text(name))


def _furnish(layer: Layer, row: Any, reader: Reader) -> dict[str, Array]:
    """Give a layer its Params and statistics before it is built: build then checks that they fit its inputs.

    Returns the statistics.
    """
    if isinstance(layer, Penalty):
        for name, param, owners in row["chosen"]:
            layer.chosen[_text(name)] = reader.params[_index(param, reader.params)]
            layer.owners[name] = [reader.layers[_index(place, reader.layers)] for place in owners]
        return {}
    for path, place in row["params"].items():
        param = reader.params[_index(place, reader.params)]
        if "." not in path and vars(layer).get(path) is not param:
            _check_attribute(layer, path)
            setattr(layer, path, param)
    if row["statistics"].keys() != set(layer.statistics):
        raise FileError(f"{type(layer).__name__} has statistics {', '.join(layer.statistics) or 'of no kind'}")
    statistics = {name: reader.tensors[tensor] for name, tensor in row["statistics"].items()}
    for name, array in statistics.items():
        setattr(layer, name, array)
    return statistics


def _check_attribute(layer: Layer, name: str) -> None:
    """Raise FileError for what is no place for a Param: an option, a method, or what a layer of ours doesn't have."""
    kind = type(layer)
    options = {field.name: field.init for field in fields(layer)}
    free = name in options or (kind not in built_in().values() and not hasattr(Layer, name))
    taken = options.get(name, False) or any(
        not isinstance(there, Param | None) for there in (vars(layer).get(name), getattr(kind, name, None))
    )
    if not name.isidentifier() or name.startswith("__") or not free or taken:
        raise FileError(f"{kind.__name__} has no Param {name!r:.80}")


def _put(graph: Graph, row: Any, layer: Layer) -> None:
    """Put a node into the graph as `graph.add` would, with nothing drawn."""
    inputs = tuple(graph.nodes[_index(place, graph.nodes)] for place in row["inputs"])
    name, line = graph.names.claim(row["name"]), _text(row["source"])
    said, shape = f"{type(layer).__name__} {name!r:.80}", tuple(map(_count, row["shape"]))
    dtype = {"int64": np.dtype(np.int64), graph.dtype.name: graph.dtype}.get(_text(row["dtype"]))
    if isinstance(layer, Input) and (inputs or layer.shape != shape):
        raise FileError(f"{said} has inputs, or another shape than {shape}")
    if dtype is None or (dtype != graph.dtype and not isinstance(layer, Input)):
        raise FileError(f"{said} is of {row['dtype']!r:.20} in a graph of {graph.dtype}")
    # layers of ours draw nothing; what others draw for Params in a list or the like is replaced
    rng = None if built_in_of(type(layer)) else np.random.default_rng(0)
    if len(shape) >= MOST_AXES or graph.built(layer, inputs, said, line, rng) != shape:
        raise FileError(f"{said} hasn't the shape {shape!s:.80} that the file says")
    graph._next_id = _count(row["id"])
    graph.append(layer, name, inputs, shape, dtype, tuple(map(_text, row["block"])), line)


def _compare(layer: Layer, row: Any, params: list[Param], statistics: Mapping[str, Array]) -> None:
    """See that a layer has the Params that the file says, and just these, wherever it keeps them."""
    if isinstance(layer, Penalty):
        known = {owner: set(owner.params.values()) for owners in layer.owners.values() for owner in owners}
        for name, param in layer.chosen.items():
            if not layer.owners[name] or not all(param in known[owner] for owner in layer.owners[name]):
                raise FileError(f"{type(layer).__name__} has {name!r:.80} of layers that don't have it")
        return
    for name, array in statistics.items():
        made = np.asarray(getattr(layer, name))
        if made.shape != array.shape or made.dtype != array.dtype:
            raise FileError(f"{type(layer).__name__} has {name} of shape {made.shape}, not {array.shape!s:.80}")
        setattr(layer, name, array)
    wanted = {path: params[_index(place, params)] for path, place in row["params"].items()}
    for path, param in wanted.items():
        if "." in path:
            _replace(layer, path.split("."), param)
    there = layer.params
    odd = type(layer) in built_in().values() and any("." in path for path in there)  # in an option
    if odd or set(there.values()) != set(wanted.values()) or any(wanted.get(p) is not there[p] for p in there):
        raise FileError(f"{type(layer).__name__} has other Params, {', '.join(there) or 'none'}, than the file says")


def _replace(thing: Any, path: list[str], param: Param) -> None:
    """Put a Param into a list, a dict or a layer within a layer, in the place of the one that its build made."""
    for depth, step in enumerate(path):
        key: Any = int(step) if isinstance(thing, list) else step
        there = thing[key] if isinstance(thing, (list, tuple, dict)) else getattr(thing, step)
        if depth < len(path) - 1:
            thing = there
            continue
        if not isinstance(there, Param) or there.shape != param.shape or there.dtype != param.dtype:
            raise FileError(f"there is no Param {'.'.join(path)} of shape {param.shape}")
        if there is not param and isinstance(thing, (list, dict)):
            thing[key] = param
        elif there is not param:
            setattr(thing, step, param)


def _arrange(graph: Graph, found: Any) -> None:
    """Names in their order, blocks among them, outputs, and what is recomputed."""
    names = graph.names.nodes
    there = {_text(name): names.get(name) for name in found["names"]}
    if not names.keys() <= there.keys():
        raise FileError("its list of names leaves out nodes")
    graph.names.nodes = there
    graph.names._counters = {_text(name): _count(count) for name, count in found["counters"].items()}
    graph.output(*(graph.nodes[_index(place, graph.nodes)] for place in found["outputs"]))
    graph.recomputed = {tuple(map(_text, path)) for path in found["recomputed"]}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise FileError(f"it has {value!r:.80} in the place of a text")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise FileError(f"it has {value!r:.80} in the place of a number of 0 or more")
    return value


def _index(value: Any, there: list[Any]) -> int:
    return within(_count(value), there)
