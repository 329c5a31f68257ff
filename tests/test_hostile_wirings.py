"""Hostile wirings: what they would have a graph be is refused, soon, with little memory."""

import copy
import json
import time
import tracemalloc

import fuzzer
import numpy as np
import pytest
import rich_graphs

import minigraph as mg
from minigraph.errors import FileError
from minigraph.layers import Activation, Add, BatchNorm, Dense, MaxPool2D, Reshape, RNNCell, Scale, Sum


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


def edited(path, change, arrays=None):
    """A saved graph, whose wiring is changed and, if asked, whose table of arrays and arrays."""
    header, trees, payload = fuzzer.split(path.read_bytes())
    wiring = copy.deepcopy(trees["minigraph"])
    change(wiring)
    header["__metadata__"]["minigraph"] = json.dumps(wiring)
    if arrays is not None:
        payload = arrays(header, payload)
    path.write_bytes(fuzzer.joined(header, payload))
    return path


def says(path, words):
    """That the file is refused, soon and with little memory."""
    tracemalloc.start()
    try:
        began = time.process_time()
        with pytest.raises(FileError, match=words) as caught:
            mg.load(path)
        assert time.process_time() - began < 2.0
        assert tracemalloc.get_traced_memory()[1] < 40 * path.stat().st_size + (1 << 20)
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < 500


def layers(wiring, kind):
    return next(row for row in wiring["layers"] if row["kind"] == kind)


def field(kind, **fields):
    return lambda wiring: layers(wiring, kind)["fields"].update(fields)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (2, "is of version 2, which is newer than 1: update minigraph"),
        (10**400, "which is newer than 1"),
        *[(odd, "its version is .*, and no whole number from 1 on") for odd in (0, -1, True, "1", 1.0, None, [1])],
    ],
)
def test_files_of_other_versions_are_refused(path, version, words):
    mg.Sequential(2, Dense(1)).save(path)
    says(edited(path, lambda wiring: wiring.update(version=version)), words)


def within(what, place, row):
    """A row with the thing before it, twice."""
    named = ("f", "slope") if what == "object" else ("weights", "biases")
    fields = {key: {what: place} for key in named}
    return {**row, "fields": fields | ({"units": 2} if what == "layer" else {}), "params": {}, "statistics": {}}


ODD = {
    "a shape that nobody has": (lambda: Reshape((3, 4)), field("Reshape", shape={"tuple": [10**9, 10**9]}), "Reshape"),
    "many axes": (lambda: Reshape((3, 4)), field("Reshape", shape={"tuple": [2**62] * 30_000}), "makes samples"),
    "axes of one hash": (
        lambda: Sum(axes=[0]),
        field("Sum", axes={"tuple": [k * (2**61 - 1) for k in range(30_000)]}),
        "takes axes",
    ),
    "keys of one hash": (
        lambda: Sum(),
        field("Sum", axes={"dict": [[k * (2**61 - 1), 0] for k in range(30_000)]}),
        "a dict of more than 1000 keys",
    ),
    "one key twice": (lambda: Sum(), field("Sum", axes={"dict": [["a", 0], ["a", 1]]}), "two values for one key"),
    "activations for other neurons": (
        lambda: Dense(12, "relu"),
        field("Dense", activation={"neurons": {"tuple": ["relu", "tanh"]}, "axis": -1}),
        "one activation for each of its 12 neurons, got 2",
    ),
    "activations that are texts": (
        lambda: Dense(12, "relu"),
        field("Dense", activation={"neurons": ["no"] * 12, "axis": -1}),
        "has no activation 'no'",
    ),
    "a layer as activation": (lambda: Dense(12), field("Dense", activation={"layer": 0}), "has no activation"),
    "a function of integers": (
        lambda: Dense(12, (np.sin, np.cos)),
        field("Dense", activation={"tuple": [{"function": "numpy.invert"}] * 2}),
        "function 'numpy.invert' is not known",
    ),
    "a layer that has no step": (lambda: RNNCell(2), lambda w: layers(w, "RNNCell").update(kind="Cell"), "not known"),
    "a block as layer": (lambda: Sum(), lambda w: layers(w, "Sum").update(kind="Split"), "layer 'Split' is not known"),
    "a module's function": (lambda: Sum(), lambda w: layers(w, "Sum").update(kind="os.system"), "'os.system' is not"),
    "a name that is no text": (lambda: Sum(), field("Sum", name=5), "a text as its name, got 5"),
    "frozen otherwise": (lambda: Sum(), field("Sum", frozen="yes"), "frozen as True or False"),
    "an array twice": (
        lambda: Scale(np.ones((5, 12))),
        lambda w: w["layers"].extend([layers(w, "Scale")] * 1000),
        "refers to array .* which is taken",
    ),
    "a Param many times": (
        lambda: Dense(2, bias=False),
        lambda w: w["params"].extend(w["params"] * 20_000),
        "refers to array .* which is taken",
    ),
    "layers within layers": (
        lambda: Sum(),
        lambda w: w["layers"].extend(within("layer", k, {"kind": "Dense"}) for k in range(1, 60)),
        "comes to more than 3,000,000 values",
    ),
    "objects within objects": (
        lambda: Sum(),
        lambda w: (
            w["objects"].append({"kind": "activations.Tanh", "fields": {}}),
            w["objects"].extend(within("object", k, {"kind": "activations.Function"}) for k in range(59)),
            field("Sum", axes={"object": 59})(w),
        ),
        "an object of .* values within others",
    ),
    "an id that needs room": (
        lambda: Sum(),
        lambda w: (w["nodes"][-1].update(id=2**40), w.update(next_id=2**40 + 1)),
        "next id, .*, is too large for its 2 nodes",
    ),
    "nodes with one id": (lambda: Sum(), lambda w: w["nodes"][-1].update(id=0), "two of its nodes have one id"),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_wirings_are_refused(path, name):
    layer, change, words = ODD[name]
    mg.Sequential(12, layer(), seed=0).save(path)
    says(edited(path, change), words)


def test_params_stand_only_where_a_layer_has_them(path):
    for layer, kind in ((Dense(12), "Dense"), (Scale(2.0), "Scale"), (BatchNorm(affine=False), "BatchNorm")):
        for name in ("sigma", "units", "steady", "gamma", "foo", "forward", "name", "edition", "mean", "__class__"):
            mg.Sequential(12, Dense(12), layer, seed=0).save(path)

            def change(wiring, kind=kind, name=name):
                row = [row for row in wiring["layers"] if row["kind"] == kind][-1]
                row["params"] = {**row["params"], name: len(wiring["params"])}
                wiring["params"].append(["extra", "extra"])

            def arrays(header, payload):
                header["extra"] = {"dtype": "F64", "shape": [12], "data_offsets": [len(payload), len(payload) + 96]}
                return payload + np.ones(12).tobytes()

            says(edited(path, change, arrays), f"{kind} has (no Param '{name}'|other Params)|made new Params")


def test_a_layer_of_ours_has_no_params_within_its_options(path):
    mg.Sequential(12, Dense(12, bias=False), Dense(12, bias=False), seed=0).save(path)

    def change(wiring):
        row = [row for row in wiring["layers"] if row["kind"] == "Dense"][1]
        row["fields"]["weights"], row["params"]["weights.0"] = [{"param": 0}], 0

    says(edited(path, change), "Dense has other Params")


def test_nothing_is_made_that_is_not_in_the_file(path):
    mg.Sequential((4, 1), BatchNorm(affine=False), seed=0).save(path)

    def change(wiring):
        for node in wiring["nodes"]:
            node["shape"] = [10**7, 1]
        wiring["layers"][0]["fields"]["shape"] = {"tuple": [10**7, 1]}
        wiring["layers"][1]["statistics"] = {}

    says(edited(path, change), "BatchNorm has statistics mean, variance")


def test_statistics_have_the_shape_that_they_are_used_in(path):
    mg.Sequential(4, BatchNorm(), Dense(1), seed=0).save(path)

    def change(wiring):
        wiring["layers"][1]["statistics"]["variance"] = "spare"

    def arrays(header, payload):
        header["spare"] = {"dtype": "F64", "shape": [1], "data_offsets": [len(payload), len(payload) + 8]}
        return payload + np.ones(1).tobytes()

    says(edited(path, change, arrays), "keeps running statistics of 1 channels")


def test_a_penalty_is_about_params_of_layers(path):
    g = rich_graphs.dense()
    g.save(path)
    row = layers(fuzzer.split(path.read_bytes())[1]["minigraph"], "L2")
    for owners in ([], [0]):
        g.save(path)
        odd = {**row, "chosen": [[row["chosen"][0][0], row["chosen"][0][1], owners]]}
        says(edited(path, lambda wiring, odd=odd: layers(wiring, "L2").update(odd)), "of layers that don't have it")


def test_activations_take_time_in_proportion():
    each = [mg.activations.ELU(0.5) for _ in range(20_000)]
    began = time.process_time()
    Activation(each)
    assert time.process_time() - began < 1.0


def test_a_pool_in_wide_padding_takes_no_longer():
    g = mg.Sequential((1, 4, 4), MaxPool2D(10**8, padding=5 * 10**7))
    began = time.process_time()
    assert g.forward(x=np.arange(16.0).reshape(1, 1, 4, 4))["max_pool2d"].a.max() == 15.0
    assert time.process_time() - began < 1.0


def test_long_rows_take_time_in_proportion(path):
    count = 2000
    g = mg.Graph(seed=0)
    x = g.input("x", 3)
    g.add(Add(), *[x] * count)
    for _ in range(count):
        g.add(Scale(1.0), x)
    g.save(path)
    began = time.process_time()
    mg.load(path)
    assert time.process_time() - began < 1.0
