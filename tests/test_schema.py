"""The JSON Schema of saved graphs, docs/schema: what is saved fits it, what is damaged doesn't."""

import copy
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rich_graphs
from cases import CASES
from wirings import ROWS, wired

import minigraph as mg
from minigraph.layers import Dense
from minigraph.saving.files import File
from minigraph.saving.wiring import VERSION, described

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema, of the extra test, is not installed")

SCHEMA = json.loads((Path(__file__).parents[1] / f"docs/schema/wiring-{VERSION}.json").read_text(encoding="utf-8"))


@mg.register
@dataclass(eq=False)
class Kept(mg.Layer):
    """A layer with a field for anything."""

    what: object = None

    def build(self, shape, *, rng, dtype):
        return shape

    def forward(self, at, x):
        return x

    def backward(self, at, error):
        return error


def kept():
    """The values that the others lack."""
    return mg.Sequential(2, Kept([float("nan"), -float("inf"), ..., np.arange(3), Dense(2), {"a": slice(1, None)}]))


RICH = {**rich_graphs.GRAPHS, "kept": kept}


@pytest.fixture(scope="module")
def schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(SCHEMA)


def wiring(graph):
    return json.loads(json.dumps(described(graph)[0]))


@pytest.mark.parametrize("name", ROWS)
def test_wirings_fit(name, schema):
    schema.validate(wiring(wired(name).graph))


def test_every_row_of_layers_fits(schema):
    for case in CASES:
        schema.validate(wiring(case.node().graph))


@pytest.mark.parametrize("name", RICH)
def test_files_fit(name, schema, tmp_path):
    RICH[name]().save(tmp_path / "g.safetensors")
    text = json.loads(File(tmp_path / "g.safetensors").metadata["minigraph"])
    assert "crc32" in text
    schema.validate(text)


def test_all_that_the_schema_allows_is_in_some_file(schema):
    """So that no part of it stands there unchecked."""
    texts = [wiring(make()) for make in RICH.values()]
    said = json.dumps(texts)
    values = SCHEMA["$defs"]["value"]["oneOf"][2]["properties"]
    assert all(f'{{"{key}":' in said for key in values)
    there = set().union(*(layer.keys() for text in texts for layer in text["layers"]))
    assert there == SCHEMA["$defs"]["layer"]["properties"].keys()


STATE = {"state": 1, "inc": 1}
GENERATOR = {"bit_generator": "PCG64", "state": STATE, "has_uint32": 0, "uinteger": 0}
WRONG = {
    "version": [2, "1", None],
    "name": [None, 3],
    "dtype": ["float16", None],
    "seed": [-1, 1.5, "0"],
    "entropy": [None, -1],
    "generator": [
        *(None, {}, GENERATOR | {"more": 1}, GENERATOR | {"bit_generator": "MT19937"}, GENERATOR | {"has_uint32": 2}),
        GENERATOR | {"uinteger": -1},
        *(GENERATOR | {"state": state} for state in (3, {"state": 1}, STATE | {"more": 1}, STATE | {"inc": -1})),
        GENERATOR | {"state": STATE | {"state": "1"}},
    ],
    "runs": [-1, None],
    "next_id": [-1, 0.5],
    "params": [None, [["w"]], [["w", "w", "w"]], [["w", 3]], [[3, "w"]], [3]],
    "objects": [
        *(None, [{}], [3], [{"kind": "a"}], [{"kind": "", "fields": {}}]),
        *([{"kind": "a", "fields": {"alpha": {}}}], [{"kind": "a", "fields": {}, "more": 1}]),
    ],
    "layers": [None, [{}], [3]],
    "nodes": [None, [{}], [3]],
    "names": [["a", "a"], [3], None],
    "counters": [{"a": -1}, [], None],
    "outputs": [[-1], ["a"], None],
    "recomputed": [["a"], [[3]], None],
    "crc32": [
        *({}, 3, {"text": 2**32, "arrays": {}}, {"text": 0, "arrays": {"w": -1}}, {"text": 0, "arrays": 3}),
        *({"text": "0", "arrays": {}}, {"text": 0, "arrays": {}, "more": 1}),
    ],
    "more": [1],
}
WRONG_NODE = {
    "id": [-1, None],
    "name": [None],
    "layer": [-1, "0"],
    "inputs": [[-1], None],
    "shape": [[0], [1.5], 3, [1] * 64],
    "dtype": ["int32", None],
    "block": ["a", [1]],
    "source": [None],
    "more": [1],
}
WRONG_LAYER = {
    "kind": ["", None],
    "params": [{"w": -1}, {"w": "w"}, []],
    "statistics": [{"mean": 3}, None],
    "chosen": [3, [3], [["w", 0]], [["w", 0, [0], 1]], [[0, 0, [0]]], [["w", "0", [0]]], [["w", 0, [-1]]]],
    "fields": [
        None,
        [],
        *(
            {"units": value}
            for value in (
                {},
                {"float": 1.0},
                {"tuple": 3},
                {"dict": [[1]]},
                {"slice": [1, 2]},
                {"array": 3},
                {"param": -1},
                {"layer": "0"},
                {"object": 0, "param": 0},
                {"neurons": [1]},
                {"neurons": ["tanh"], "axis": 0.5},
                {"function": ""},
                {"unknown": 1},
                {"ellipsis": 0},
                [{"tuple": {}}],
                {"tuple": [{}]},
                {"dict": 3},
                {"dict": [3]},
                {"dict": [[1, 2, 3]]},
                {"dict": [[1, {}]]},
                {"slice": 3},
                {"slice": [1, 2, 3, 4]},
                {"slice": [{}, 1, 1]},
                {"transposed": -1},
                {"object": -1},
                {"function": 3},
                {"neurons": [{}], "axis": 1},
                {"neurons": [1], "axis": 1, "more": 1},
            )
        ),
    ],
    "more": [1],
}


def damaged():
    """What is wrong, and a wiring where it is."""
    whole = wiring(rich_graphs.tokens())
    spots = ((), WRONG), (("nodes", -1), WRONG_NODE), (("layers", 1), WRONG_LAYER)
    for path, wrong in spots:
        for key, values in wrong.items():
            for value in [*values, "taken away"]:
                text = copy.deepcopy(whole)
                place = text
                for step in path:
                    place = place[step]
                if value == "taken away":
                    if place.pop(key, None) is None or key in ("seed", "chosen"):
                        continue
                else:
                    place[key] = value
                yield f"{'.'.join(map(str, (*path, key)))}: {value!r}", text


def test_damaged_wirings_do_not_fit(schema):
    assert not schema.is_valid([])
    whole = wiring(rich_graphs.tokens())
    schema.validate(whole)
    fitting = [said for said, text in damaged() if schema.is_valid(text)]
    assert not fitting


def test_a_schema_of_another_version_would_be_noticed(schema):
    text = wiring(mg.Graph("g"))
    schema.validate(text)
    assert not schema.is_valid({**text, "version": VERSION + 1})
