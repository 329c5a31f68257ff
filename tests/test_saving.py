"""Files: what is loaded computes what was saved, bit for bit; weights alone go into a graph wholly or not at all."""

import json
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np
import pytest
import wirings
from cases import CASES
from safetensors import safe_open
from safetensors.numpy import load_file

import minigraph as mg
from minigraph import registry
from minigraph.activations import LeakyReLU
from minigraph.costs import L2, Quadratic, SoftmaxCrossEntropy
from minigraph.errors import FileError, GraphError
from minigraph.layers import Add, BatchNorm, Concat, Conv2D, Dense, Dropout, Embedding, Scale


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """A registry of its own for each test."""
    monkeypatch.setattr(registry, "_registered", {})
    return registry._registered


@pytest.fixture
def again(tmp_path):
    """A graph saved and loaded."""
    return lambda g: mg.load(g.save(tmp_path / "graph.safetensors"))


def numbers(g, feeds, until=None, back=None):
    """Every output, gradient and running statistic of a training sweep, by name."""
    run = g.forward(feeds, until=until, training=True)
    found = {node.name: run[node].a.copy() for node in run.swept().plan.order}
    if back is not None:
        run.backward(back, np.cos(found[back]))
    elif run.swept().plan.costs:
        run.backward()
    else:
        return found
    found |= {name: run.grad(p).copy() for name, p in g.params.items() if p in run.swept_back().uses}
    run.commit()
    return found | {f"{node.name} {s}": getattr(node.layer, s) for node in g.nodes for s in node.layer.statistics}


def alike(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert one[name].dtype == other[name].dtype
        assert one[name].tobytes() == other[name].tobytes(), name


def batch(g, m=5, seed=0):
    return wirings.feeds(g, m, seed)


# ---- whole graphs ----


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_layer_and_cost_comes_back_bit_for_bit(case, dtype, again):
    node = case.node(dtype)
    g, rng = node.graph, np.random.default_rng(5)
    for p in g.params.values():
        p.value = p.value + rng.normal(size=p.shape)
    for name in node.layer.statistics:
        setattr(node.layer, name, getattr(node.layer, name) + rng.random(getattr(node.layer, name).shape).astype(dtype))
    twin = again(g)
    feeds = {f"x{i}": x for i, x in enumerate(case.inputs(rng, max(3, case.fewest)))}
    assert repr(twin["node"].layer) == repr(node.layer)
    assert twin.summary() == g.summary()
    alike(numbers(twin, feeds, back="node"), numbers(g, feeds, back="node"))


@pytest.mark.parametrize("name", [*wirings.ROWS, *range(5)])
def test_every_wiring_comes_back_bit_for_bit(name, again):
    w = wirings.wired(name)
    twin = again(w.graph)
    twin.warned = twin.edition
    assert twin.picture().dot == w.graph.picture().dot
    assert [*twin.params] == [*w.graph.params]
    assert [(n.id, n.name, n.block, n.source, n.constant_inputs) for n in twin] == [
        (n.id, n.name, n.block, n.source, n.constant_inputs) for n in w.graph
    ]
    alike(numbers(twin, w.feeds, w.until), numbers(w.graph, w.feeds, w.until))


def rich():
    """Sharing, tied weights, a block used twice, penalties, frozen flags, statistics, an array among the options."""
    g = mg.Graph("rich <δ>", seed=7, dtype="float32")
    x, words = g.input("x", 6), g.input("words", 3, dtype=int)
    encoder = Dense(4, [LeakyReLU(0.3)] * 2 + ["tanh", "gelu"], name="enc/1")
    h = encoder(x)
    block = mg.Sequential(4, Dense(4, "relu"), BatchNorm(), Dropout(0.25), name="block", dtype="float32", seed=1)
    h = g.add(block, h, name="a:b")
    h = g.block(block, h, name="ü", recompute=True)
    back = g.add(Dense(6, weights=encoder.w.T), h)
    seen = g.add(Embedding(9, 4), words) >> mg.layers.Mean(axes=0)
    out = g.add(Concat(), Add()(h, h), seen) >> Scale(np.linspace(0.5, 1.5, 8)) >> Dense(3, name="out")
    g.cost(Quadratic(), back, target="t")
    g.cost(SoftmaxCrossEntropy(class_weights=[1.0, 2.0, 0.5], weight=0.3), out, target="label")
    g.cost(L2(0.01, "*.w"), name="decay")
    g.cost(L2(0.1, encoder.b), name="bias")
    g.freeze("a:b/dense")
    g.output("out")
    g.insert(mg.layers.Identity(), between=("x", "enc/1"))
    g.rename("out", 'the "output"')
    g.remove(g.add(Dense(6), h))  # its name isn't given again
    g.next_seed()
    return g


def test_all_that_a_graph_is_comes_back(again):
    g = rich()
    twin = again(g)
    assert (twin.name, twin.dtype, twin.seed, twin.outputs) == (g.name, g.dtype, g.seed, [twin['the "output"']])
    assert twin["dense"].layer.w is twin["enc/1"].layer.w
    assert twin["a:b/dense"].layer is twin["ü/dense"].layer
    assert twin["a:b/dense"].layer.frozen
    assert twin.recomputed == g.recomputed
    assert [*twin["decay"].layer.chosen] == [*g["decay"].layer.chosen]
    assert twin["decay"].layer.params.keys() == g["decay"].layer.params.keys()
    assert twin.picture(collapse="*").dot == g.picture(collapse="*").dot
    a, b = (graph["enc/1"].layer.sigma.groups for graph in (g, twin))
    assert [neurons for _, neurons in b] == [neurons for _, neurons in a]  # two neurons with one object still have one
    for _ in range(2):  # noise goes on where it was, in the second run, too
        alike(numbers(twin, batch(g)), numbers(g, batch(g)))


def test_what_is_added_later_has_the_same_names_and_weights(again):
    g = rich()
    for graph in (g, twin := again(g)):
        graph.add(Dense(5), graph["ü/dense"])
    assert twin.nodes[-1].name == g.nodes[-1].name
    assert np.array_equal(twin.nodes[-1].layer.w.value, g.nodes[-1].layer.w.value)
    assert twin.nodes[-1].id == g.nodes[-1].id


def test_a_loaded_graph_trains_like_the_one_that_was_saved(again):
    g = rich()
    twin = again(g)
    for graph in (g, twin):
        mg.fit(graph, batch(g, 20), epochs=2, batch_size=6, optimizer=mg.Adam(), progress=False)
    alike({k: p.value for k, p in twin.params.items()}, {k: p.value for k, p in g.params.items()})


def test_saving_twice_writes_the_same_bytes(tmp_path):
    g = rich()
    one, two = g.save(tmp_path / "one"), g.save(str(tmp_path / "two"))
    three = mg.load(one).save(tmp_path / "three")
    assert one.read_bytes() == two.read_bytes() == three.read_bytes()


@pytest.mark.parametrize(
    "name", ["file", "a/b", "../x", "ü", "", "x" * 300, "__metadata__", "\ud800", "X", "a.w", "\0"]
)
def test_nodes_may_have_any_names(name, again):
    g = mg.Graph(seed=0)
    x = g.input("x", 2)
    g.add(Dense(2), g.add(Dense(2), x, name=name), name="a")
    alike(numbers(again(g), batch(g), back="a"), numbers(g, batch(g), back="a"))


def test_any_program_can_read_the_weights(tmp_path):
    g = mg.Sequential(3, Dense(4), BatchNorm(), seed=0, dtype="float32")
    path = g.save(tmp_path / "g.safetensors")
    weights = load_file(path)
    names = [f"batch_norm.{name}" for name in ("beta", "gamma", "mean", "variance")]
    assert [*weights] == [*names, "dense.b", "dense.w"]
    assert np.array_equal(weights["dense.w"], g["dense"].layer.w.value)
    with safe_open(path, "np") as file:
        assert json.loads(file.metadata()["minigraph"])["version"] == 1


@pytest.mark.parametrize("array", [np.arange(6.0).reshape(2, 3).T, np.arange(12.0)[::-2], np.arange(6).astype(">f8")])
def test_arrays_of_any_layout_are_written_as_they_are(array, again):
    g = mg.Graph(seed=0)
    g.add(Scale(array, axes=tuple(range(array.ndim))), g.input("x", array.shape), name="scale")
    assert np.array_equal(again(g)["scale"].layer.factor, array)


def test_nan_infinity_and_negative_zero_come_back(again):
    g = mg.Sequential(2, Dense(2), seed=0)
    g.params["dense.w"].value = bits = np.array([[np.nan, -np.inf], [-0.0, 5e-324]])
    bits.view(np.uint64)[0, 0] |= np.uint64(77)  # a NaN with a payload
    g.params["dense.w"].value = bits
    assert again(g).params["dense.w"].value.tobytes() == bits.tobytes()


@pytest.mark.parametrize("count", [10_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_long_chain_is_saved_and_loaded_without_recursion(count, again):
    g = mg.Graph(seed=0)
    node, layer = g.input("x", 2), Dense(2)
    for i in range(count):
        node = g.add(layer if i % 2 else Dense(2), node)
    twin = again(g)
    assert len(twin) == count + 1
    assert np.array_equal(twin.params[f"dense_{count - 2}.w"].value, g.params[f"dense_{count - 2}.w"].value)


def test_a_conv_net_that_was_trained_answers_the_same(again):
    g = mg.Sequential((1, 6, 6), Conv2D(3, 3, activation="relu"), BatchNorm(), mg.layers.Flatten(), Dense(2), seed=0)
    g.cost(SoftmaxCrossEntropy(), g["dense"], target="t")
    data = {"x": np.random.default_rng(0).random((12, 1, 6, 6)), "t": np.arange(12) % 2}
    mg.fit(g, data, epochs=2, batch_size=4, optimizer=mg.SGD(0.1), progress=False)
    assert np.array_equal(mg.predict(again(g), x=data["x"]), mg.predict(g, x=data["x"]))


# ---- layers and functions of one's own ----


@dataclass(eq=False)
class Gate(mg.Layer):
    """Several Params, in a list and in a layer of its own, a statistic, and what can't be given."""

    factor: float = 2.0
    inner: mg.Layer = field(default_factory=lambda: Dense(3, bias=False))
    ws: list = field(init=False, repr=False, default_factory=list)
    seen: np.ndarray = field(init=False, repr=False)

    statistics: ClassVar[tuple] = ("seen",)

    def build(self, shape, *, rng, dtype):
        self.inner.build(shape, rng=rng, dtype=dtype)
        if not self.ws:
            values = np.ones((2, 3), dtype) if rng is None else rng.normal(size=(2, 3)).astype(dtype)
            self.ws = [mg.Param(row, "w") for row in values]
            self.seen = np.zeros(3, dtype)
        return shape

    def forward(self, at, x):
        return self.factor * x * self.ws[0].value + self.ws[1].value * x + self.inner.forward(at, x)

    def commit(self, at):
        self.seen = self.seen + at.inputs[0].sum(axis=0)

    def backward(self, at, error):
        sent = self.inner.backward(at, error)
        at.grad[self.ws[0]] = (error * self.factor * at.inputs[0]).sum(axis=0)
        at.grad[self.ws[1]] = (error * at.inputs[0]).sum(axis=0)
        return None if sent is None else sent + error * (self.factor * self.ws[0].value + self.ws[1].value)


class Count(Gate):
    """It isn't made from its fields."""

    def __init__(self, n):
        super().__init__()
        self.n = n


class Offset(Gate):
    """It begins with a number that training may move."""

    def __post_init__(self):
        self.offset = 0.0


class Careless(Gate):
    """It has more than its fields."""

    def learn(self):
        self.learned = 3


def test_a_registered_layer_comes_back_with_params_wherever_it_keeps_them(again):
    mg.register(Gate)
    g = mg.Graph(seed=0)
    gate = Gate(3.0)
    g.add(gate, g.add(gate, g.input("x", 3), name="one"), name="two")
    twin = again(g)
    assert twin["one"].layer is twin["two"].layer
    assert twin["one"].layer.factor == 3.0
    alike(numbers(twin, batch(g), back="two"), numbers(g, batch(g), back="two"))


def test_an_unknown_layer_is_refused_with_how_to_register_it(tmp_path, registered):
    g = mg.Sequential(3, Gate())
    path = tmp_path / "gate.safetensors"
    with pytest.raises(GraphError, match=r"Gate 'gate' can't be saved before Gate is registered.*mg\.register\(Gate\)"):
        g.save(path)
    assert not path.exists()
    mg.register(Gate)
    g.save(path)
    registered.clear()
    with pytest.raises(FileError, match=r"gate.safetensors' can't be loaded: layer 'Gate'.*mg\.register\(Gate\)"):
        mg.load(path)


def test_a_layer_that_is_not_made_from_its_fields_is_refused_when_saving(tmp_path):
    mg.register(Count)
    with pytest.raises(GraphError, match=r"Count 'count' .* isn't made from its fields .*: make it a dataclass"):
        mg.Sequential(3, Count(2)).save(tmp_path / "count")


def test_a_layer_that_would_lose_something_is_refused_when_saving(tmp_path, again):
    mg.register(Careless)
    g = mg.Sequential(3, Careless())
    again(g)
    g["careless"].layer.learn()
    with pytest.raises(GraphError, match=r"Careless 'careless' .* its learned would be lost: make it a field"):
        g.save(tmp_path / "careless")


@dataclass(eq=False)
class Square(Gate):
    """It has the name of one of minigraph's, keeps Params that it made by name in a list, and draws by itself."""

    def build(self, shape, *, rng, dtype):
        if not self.ws:
            self.inner.build(shape, rng=rng, dtype=dtype)
            self.ws = [self.param(f"w{i}", shape, "normal", rng=rng, dtype=dtype) for i in range(2)]
            self.seen = rng.normal(size=3).astype(dtype)
        return shape


def test_a_registered_layer_may_have_the_name_of_one_of_minigraphs(again):
    mg.register(Square)
    mg.register(cube, name="numpy.sin")
    mg.register(slope, name="relu")
    g = mg.Sequential(3, Square(4.0), mg.layers.Square(), Dense(2, (cube, slope)), seed=0)
    twin = again(g)
    assert [type(node.layer) for node in twin] == [type(node.layer) for node in g]
    assert twin["dense"].layer.activation == (cube, slope)
    alike(numbers(twin, batch(g), back="dense"), numbers(g, batch(g), back="dense"))


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (lambda: Dense(2, (np.sin, np.cos)), None),
        (lambda: Dense(2, (cube, slope)), r"dense\.activation .* before cube .*mg\.register\(cube\)"),
        (lambda: Dense(2, (lambda z: z, lambda z: z)), r"mg\.register\(function, name='…'\)"),
        (lambda: Dense(2, weights=drawn), r"dense\.weights .*mg\.register\(drawn\)"),
        (lambda: Dense(2, weights=lambda shape, rng: np.ones(shape)), r"mg\.register\(function, name='…'\)"),
    ],
    ids=["numpy's own", "functions", "lambdas", "initializer", "initial lambda"],
)
def test_functions_go_by_name(layer, told, again):
    g = mg.Sequential(2, layer(), seed=0)
    if told:
        with pytest.raises(GraphError, match=told):
            again(g)
        for f in (cube, slope, drawn):
            mg.register(f)
        for name in ("activation", "weights"):
            given = getattr(g["dense"].layer, name)
            for i, f in enumerate(given if isinstance(given, tuple) else (given,)):
                if getattr(f, "__name__", "") == "<lambda>":
                    mg.register(f, name=f"{name} {i}")
    alike(numbers(again(g), batch(g), back="dense"), numbers(g, batch(g), back="dense"))


def cube(z):
    return z**3


def slope(z):
    return 3 * z**2


def drawn(shape, rng):
    return rng.normal(size=shape)


def test_registration():
    assert mg.register(name="other")(cube) is cube
    assert mg.register(cube) is cube  # under two names
    with pytest.raises(
        GraphError, match=r"'cube' is registered already, for .*: choose another, mg\.register\(…, name="
    ):
        mg.register(slope, name="cube")
    with pytest.raises(GraphError, match="takes a class or a function, got 3"):
        mg.register(3)
    with pytest.raises(GraphError, match="takes a name for what has none"):
        mg.register(lambda z: z)

    one, other = [lambda z: z for _ in range(2)]
    mg.register(one, name="bump")
    mg.register(other, name="bump")  # the same cell again
    assert registry.found("bump") is other
    with pytest.raises(GraphError, match="takes a class or a function, got None"):
        mg.register()

    def made_again():
        return type("Cell", (Gate,), {"__qualname__": "Cell"})

    mg.register(made_again())
    later = mg.register(made_again())  # a notebook's cell that runs again
    assert registry.found("Cell") is later


def test_a_number_that_would_come_back_as_it_was_at_first_is_refused(tmp_path, again):
    mg.register(Careless)
    g = mg.Sequential(3, Careless())
    g["careless"].layer.inner.rate = 1.0  # a layer of minigraph's, with an attribute too many: nobody reads it
    again(g)
    g["careless"].layer.ws[0].value = np.zeros(3)
    g["careless"].layer.offset = 3.0
    mg.register(Offset)
    for layer, name in ((g["careless"].layer, "offset"), (Offset(), "offset")):
        layer.offset = 5.0
        with pytest.raises(GraphError, match=f"its {name} would be lost"):
            mg.Sequential(3, layer).save(tmp_path / "offset")


class Point(NamedTuple):
    x: int
    y: int


VALUES = [None, True, 7, -0.0, float("nan"), float("-inf"), "δ", [1, [2.5]], (1, ("a", None)), {"a": 1, (2,): [3]}, ...]
VALUES += [slice(1, None, 2), np.float32(0.1), np.int8(-3), LeakyReLU(0.2), [LeakyReLU(0.1), np.tanh], {"w": (np.nan,)}]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_options_of_every_kind_come_back(value, again):
    mg.register(Gate)
    g = mg.Sequential(3, Gate())
    g["gate"].layer.factor = value
    back = again(g)["gate"].layer.factor
    assert repr(back) == repr(value.item() if isinstance(value, np.generic) else value)


def test_arrays_among_the_options_come_back_with_their_dtype(again):
    mg.register(Gate)
    g = mg.Sequential(3, Gate())
    g["gate"].layer.factor = arrays = [np.arange(3), np.array([True, False]), np.float32([[1.5]]), np.array(2.0)]
    for back, array in zip(again(g)["gate"].layer.factor, arrays, strict=True):
        assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_two_params_that_would_have_one_name_are_told_apart(again):
    mg.register(Gate)
    g = mg.Graph(seed=0)
    x = g.input("x", 3)
    g.add(Dense(3), g.add(Gate(), x, name="a"), name="a.inner")  # a.inner.w, both
    assert len(g.params) == len({p for node in g for p in node.layer.params.values()}) == 5
    alike(numbers(again(g), batch(g), back="a.inner"), numbers(g, batch(g), back="a.inner"))


@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        object(),
        np.ma.masked_array([1.0], [True]),
        Point(1, 2),
        np.longdouble(1),
        np.datetime64("2020-01-01"),
        1j,
    ],
)
def test_what_a_file_cannot_hold_is_refused_by_name(value, tmp_path):
    mg.register(Gate)
    g = mg.Sequential(3, Gate())
    g["gate"].layer.factor = value
    with pytest.raises(GraphError, match=r"gate\.factor can't be saved: a file holds numbers, texts, arrays"):
        g.save(tmp_path / "g")
