"""Every property that a layer promises, over every row of the table in cases.py."""

import copy
import importlib
import inspect
import pkgutil
from types import SimpleNamespace

import numpy as np
import pytest
from cases import CASES, PAIR, SIGMA

import minigraph as mg
from minigraph import activations, costs, layers
from minigraph.costs import Cost
from minigraph.errors import GraphError, NotComputedError, ShapeError
from minigraph.layers import Activation, Concat, Dense, Dropout, Input, Layer, Neurons, Reshape
from minigraph.record import Clock, Record
from minigraph.run import Run

M = 4
SEED = 5
ABSTRACT = {Layer, Neurons, Input, Cost, layers.Cell, layers.Recurrent, costs.Penalty, costs.L1, costs.L2}
STEADY = {}
"""The rows of each kind of layer that says it is steady."""
for case in CASES:
    if "steady" in vars(type(case.node().layer)):
        STEADY.setdefault(type(case.node().layer), []).append(case)
every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
weighted = pytest.mark.parametrize("case", [c for c in CASES if c.node().layer.params], ids=lambda case: case.id)
in_both_modes = pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])


def prepared(case, m=M, dtype="float64", draw=7, layer=None):
    """The row's node with its Params moved off their start, a batch of inputs, and an error for its output."""
    node, rng = case.node(dtype, layer), np.random.default_rng(draw)
    for param in node.layer.params.values():
        param.value = param.value + rng.normal(size=param.shape)
    for name in node.layer.statistics:  # means and variances, both as positive numbers
        there = getattr(node.layer, name)
        setattr(node.layer, name, (there + rng.uniform(0.5, 2.0, there.shape)).astype(dtype))
    return node, case.inputs(rng, m), rng.normal(size=(m, *node.shape))


def given(node, training):
    """What a reference is told besides the inputs: values of Params and running statistics, the mode, a generator."""
    values = {name: param.value for name, param in node.layer.params.items()}
    values |= {name: getattr(node.layer, name) for name in node.layer.statistics}
    return SimpleNamespace(training=training, rng=np.random.default_rng((SEED, node.id, 1)), **values)


def feeds(inputs):
    return {f"x{i}": x for i, x in enumerate(inputs)}


def open_slots(node):
    return [i for i in range(len(node.inputs)) if i not in node.constant_inputs]


def run_both(run, inputs, error):
    """Both sweeps of a run, with the errors of all inputs that can have one."""
    run.forward(feeds(inputs))
    node = run.graph["node"]
    return run.backward("node", error, wrt=[f"x{i}" for i in open_slots(node)])


def swept(node, inputs, error, training=False, seed=SEED, ahead=0):
    """A new run with both sweeps done; `ahead` counts the sweeps that its generators think went before."""
    run = Run(node.graph, training=training, seed=seed)
    run.clock.sweep = ahead
    return run_both(run, inputs, error)


def numbers(run):
    """Every array that a run's node computed, by name: output, errors along edges, gradients, what the layer saved."""
    view = run["node"]
    found = {"output": view.a, **{f"error {i}": run.edge(f"x{i}", "node").grad for i in open_slots(view.node)}}
    saved = vars(run.swept().records[view.node])
    found |= {f"at.{k}": a for k, a in saved.items() if isinstance(a, np.ndarray)}
    found |= {f"at.buffer({k})": a for k, a in saved.get("_buffers", {}).items()}
    found |= {f"gradient of {p.name}": share for p, share in saved["grad"].items()}
    return {name: array.copy() for name, array in found.items()}


def assert_same_bits(got, expected):
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        assert (got[name].shape, got[name].dtype) == (array.shape, array.dtype), name
        assert got[name].tobytes() == array.tobytes(), name


def assert_close(got, expected, rtol=1e-12, atol=1e-12):
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol)


def record(node, inputs, error=None, training=False):
    """A record as a run would hand it to the layer, for calling the layer directly."""
    clock = Clock(SEED)
    clock.sweep = 1
    at = Record(np.ones(len(inputs[0]), node.graph.dtype), training, clock, node.id)
    at.inputs, at.error = tuple(inputs), error
    at.needs = tuple(i in open_slots(node) for i in range(len(inputs)))
    return at


def called(node, inputs, error, training=False, at=None):
    """Output, errors of the inputs that can have one, and gradients by name, from the layer itself."""
    at = at or record(node, inputs, error, training)
    at.inputs, at.error = tuple(inputs), error
    a = node.layer.forward(at, *inputs)
    sent = node.layer.backward(at, error)
    sent = sent if isinstance(sent, (tuple, list)) else (sent,)
    assert len(sent) == len(inputs)
    return a, [sent[i] for i in open_slots(node)], {p.name: share for p, share in at.grad.items()}


def differences(f, x, h=1e-5):
    """∂f/∂x by central differences, x changed in place and restored."""
    slope = np.empty_like(x)
    for i in np.ndindex(x.shape):
        there = x[i]
        x[i] = there + h
        above = f()
        x[i] = there - h
        slope[i] = (above - f()) / (2 * h)
        x[i] = there
    return slope


# ---- the numbers ----


@in_both_modes
@every
def test_forward_equals_the_reference(case, training):
    node, inputs, error = prepared(case)
    a = swept(node, inputs, error, training)["node"].a
    assert_close(a, case.reference(given(node, training), *inputs))


@in_both_modes
@every
def test_backward_equals_central_differences_for_every_input_and_param(case, training):
    node, inputs, error = prepared(case)
    run = swept(node, inputs, error, training)

    def weighted_sum():
        return np.sum(error * node.layer.forward(record(node, inputs, training=training), *inputs))

    for i in open_slots(node):
        expected = differences(weighted_sum, inputs[i])
        assert_close(run.edge(f"x{i}", "node").grad, expected, rtol=1e-7, atol=1e-8)
    shares = run.swept().records[node].grad
    assert shares.keys() == set(node.layer.params.values())
    for param, share in shares.items():
        expected = differences(weighted_sum, param.value)
        fixed = node.layer.fixed(next(name for name, p in node.layer.params.items() if p is param))
        if fixed is not None:
            expected[fixed] = 0.0
        assert_close(share, expected, rtol=1e-7, atol=1e-8)
        assert_close(run.grad(param), expected / M, rtol=1e-7, atol=1e-8)


@every
def test_training_differs_from_inference_only_where_the_row_says_so(case):
    node, inputs, error = prepared(case)
    modes = [numbers(swept(node, inputs, error, training)) for training in (False, True)]
    outputs_differ = not np.array_equal(modes[0]["output"], modes[1]["output"])
    assert outputs_differ == case.modes_differ


@pytest.mark.parametrize("m", [1, 3])
@in_both_modes
@every
def test_output_has_the_declared_shape_and_errors_those_of_the_inputs(case, training, m):
    m = max(m, case.fewest if training else 1)
    node, inputs, error = prepared(case, m)
    a, sent, grads = called(node, inputs, error, training)
    assert a.shape == (m, *node.shape)
    assert [e.shape for e in sent] == [inputs[i].shape for i in open_slots(node)]
    assert {name: share.shape for name, share in grads.items()} == {n: p.shape for n, p in node.layer.params.items()}


@in_both_modes
@every
def test_float32_stays_float32(case, training):
    node, inputs, error = prepared(case, dtype="float32")
    found = numbers(swept(node, inputs, error, training))
    assert {array.dtype for name, array in found.items() if array.dtype.kind == "f"} == {np.dtype("float32")}
    assert found["output"].dtype == np.float32
    double, _, _ = prepared(case)
    for (name, rough), fine in zip(
        found.items(), numbers(swept(double, inputs, error, training)).values(), strict=True
    ):
        if not case.modes_differ or not training:  # float32 masks are drawn from other bits
            np.testing.assert_allclose(rough, fine, rtol=1e-4, atol=1e-5, err_msg=name)


@every
def test_integer_nodes_are_refused_where_floats_are_taken(case):
    for slot in open_slots(case.node()):
        g = mg.Graph()
        inputs = [g.input(f"x{i}", s, dtype=int if i == slot else None) for i, s in enumerate(case.shapes)]
        with pytest.raises(ShapeError, match=f"takes floats, got the integers of 'x{slot}'"):
            g.add(case.make(), *inputs)


@every
def test_one_error_asked_for_alone_is_the_same_and_so_are_gradients_without_any(case):
    node, inputs, error = prepared(case)
    every_error = numbers(swept(node, inputs, error))
    for i in open_slots(node):
        run = Run(node.graph).forward(feeds(inputs)).backward("node", error, wrt=f"x{i}")
        assert run.edge(f"x{i}", "node").grad.tobytes() == every_error[f"error {i}"].tobytes()
    run = Run(node.graph).forward(feeds(inputs)).backward("node", error)
    for param in node.layer.params.values():
        assert run["node"].grad[param].tobytes() == every_error[f"gradient of {param.name}"].tobytes()


# ---- nothing is left over, nothing is written ----


@in_both_modes
@every
def test_later_sweeps_equal_fresh_runs_bit_for_bit(case, training):
    node, inputs, error = prepared(case)
    run, rng = swept(node, inputs, error, training), np.random.default_rng(8)
    for ahead in range(1, 5):  # in the second, calls are written down; from the third on they are made again
        for param in node.layer.params.values():
            param.value = 0.5 - param.value
        others, another = case.inputs(rng, M), rng.normal(size=error.shape)
        run_both(run, others, another)
        if ahead in (1, 4):
            later = numbers(run)
            assert_same_bits(later, numbers(swept(node, others, another, training, ahead=ahead)))
    assert_same_bits(numbers(run.backward("node", another, wrt=[f"x{i}" for i in open_slots(node)])), later)


@pytest.mark.parametrize("kind", STEADY, ids=lambda kind: kind.__name__)
def test_what_says_it_is_steady_is_left_out_of_later_sweeps(kind):
    left_out = []
    for case in STEADY[kind]:
        node, inputs, error = prepared(case)
        run = swept(node, inputs, error, training=True)
        for _ in range(3):
            run_both(run, inputs, error)
        left_out.append((node in run._forward.script, node in run._backward.script))
    assert (True, True) in left_out


@in_both_modes
@every
def test_layers_keep_nothing_about_a_run_so_that_two_can_be_alive(case, training):
    node, inputs, error = prepared(case)
    _, others, another = prepared(case, draw=8)
    before = dict(vars(node.layer))
    alone = numbers(swept(node, inputs, error, training)), numbers(swept(node, others, another, training))
    runs = Run(node.graph, training=training, seed=SEED), Run(node.graph, training=training, seed=SEED)
    wrt = [f"x{i}" for i in open_slots(node)]
    runs[0].forward(feeds(inputs))
    runs[1].forward(feeds(others))
    for run, e, expected in zip(runs, (error, another), alone, strict=True):
        assert_same_bits(numbers(run.backward("node", e, wrt=wrt)), expected)
    after = vars(node.layer)
    assert after.keys() == before.keys()
    assert all(after[name] is value for name, value in before.items())


def backward_in_memory(x):
    """The same numbers, every axis running backwards over every other element."""
    base = np.full([2 * n for n in x.shape], 77, x.dtype)
    view = base[(slice(None, None, -2),) * x.ndim]
    view[...] = x
    return base, view


def in_columns(x):
    base = np.asfortranarray(x)
    return base, base[...]


def as_it_is(x):
    base = x.copy()
    return base, base[...]


@pytest.mark.parametrize("layout", [as_it_is, in_columns, backward_in_memory], ids=lambda f: f.__name__)
@in_both_modes
@every
def test_read_only_arrays_of_any_layout_give_the_same_numbers_and_stay_as_they_are(case, training, layout):
    node, inputs, error = prepared(case)
    _, others, another = prepared(case, draw=8)
    at, seen = record(node, inputs, training=training), []
    for batch in ((inputs, error), (others, another)):  # twice: a layer may keep what it was handed as a buffer
        held = [layout(array) for array in (*batch[0], batch[1])]
        for pair in held:
            for array in pair:
                array.flags.writeable = False
        *shown, shown_error = (view for _, view in held)
        values = {name: param.value.copy() for name, param in node.layer.params.items()}
        at.rewind()
        a, sent, grads = called(node, shown, shown_error, training, at=at)
        plain = called(node, *batch, training)
        for got, expected in zip([a, *sent, *grads.values()], [plain[0], *plain[1], *plain[2].values()], strict=True):
            if layout is as_it_is:
                assert got.tobytes() == expected.tobytes()
            assert_close(got, expected, rtol=1e-12, atol=1e-14)
        seen += [(base, base.copy()) for base, _ in held]
        for base, then in seen:
            np.testing.assert_array_equal(base, then)
        for name, value in values.items():
            np.testing.assert_array_equal(node.layer.params[name].value, value)


# ---- linearity, and one example at a time ----


@in_both_modes
@every
def test_backward_is_linear_in_the_error(case, training):
    node, inputs, error = prepared(case)
    once, twice, none = (called(node, inputs, factor * error, training) for factor in (1.0, -2.0, 0.0))
    for name, share in once[2].items():
        np.testing.assert_array_equal(twice[2][name], -2 * share)
        np.testing.assert_array_equal(none[2][name], 0 * share)
    for e, minus_two, zero in zip(once[1], twice[1], none[1], strict=True):
        np.testing.assert_array_equal(minus_two, -2 * e)
        np.testing.assert_array_equal(zero, 0 * e)


@in_both_modes
@every
def test_a_row_depends_on_its_own_example_unless_the_layer_mixes_examples(case, training):
    node, inputs, error = prepared(case)
    _, others, another = prepared(case, draw=8)
    rest = np.arange(M) != 2
    for array, other in zip((*inputs, error), (*others, another), strict=True):
        other[rest] = array[rest]
    before, after = (numbers(swept(node, *batch, training)) for batch in ((inputs, error), (others, another)))
    of_examples = [name for name in before if name == "output" or name.startswith("error")]
    mixed = any(not np.array_equal(before[name][rest], after[name][rest]) for name in of_examples)
    assert mixed == (node.layer.mixes_examples and (training or not case.modes_differ))


@every
def test_one_example_without_batch_axis_is_a_row_of_the_batch(case):
    node, inputs, error = prepared(case)
    if node.layer.mixes_examples and not case.modes_differ:  # also in inference: a batch of one is what it is a row of
        inputs, error = [array[:1] for array in inputs], error[:1]
    batch = swept(node, inputs, error)
    for x in range(len(error)):
        single = swept(node, [array[x] for array in inputs], error[x])
        assert_close(single["node"].a, batch["node"].a[x], rtol=1e-12, atol=1e-14)
        for i in open_slots(node):
            one, row = single.edge(f"x{i}", "node").grad, batch.edge(f"x{i}", "node").grad[x]
            assert_close(one, row, rtol=1e-12, atol=1e-14)


@weighted
def test_gradients_per_example_are_those_of_runs_of_one_and_their_mean_is_the_gradient(case):
    node, inputs, error = prepared(case)
    run = swept(node, inputs, error, training=not case.modes_differ)  # noise differs from run to run
    for param in node.layer.params.values():
        if node.layer.mixes_examples:
            with pytest.raises(GraphError, match="mixes examples"):
                run.grad(param, per="example")
            continue
        rows = run.grad(param, per="example")
        assert rows.shape == (M, *param.shape)
        np.testing.assert_allclose(rows.mean(axis=0), run.grad(param), rtol=1e-12, atol=1e-14)
        for x in range(M):
            alone = swept(node, [array[x] for array in inputs], error[x])
            np.testing.assert_allclose(rows[x], alone.grad(param), rtol=1e-12, atol=1e-14)


@weighted
def test_gradients_per_use_are_those_of_runs_of_one_use_and_add_up(case):
    node, inputs, error = prepared(case)
    _, others, another = prepared(case, draw=8)
    g = node.graph
    g.add(node.layer, *(g.input(f"y{i}", x.shape, x.dtype) for i, x in enumerate(node.inputs)), name="again")
    run = g.forward(feeds(inputs) | {f"y{i}": x for i, x in enumerate(others)})
    run.backward({"node": error, "again": another})
    apart = {"node": prepared(case), "again": (prepared(case)[0], others, another)}
    for name, param in node.layer.params.items():
        uses = run.grad(param, per="use")
        assert uses.keys() == apart.keys()
        for use, share in uses.items():
            alone, *batch = apart[use]
            expected = swept(alone, *batch).grad(alone.layer.params[name])
            np.testing.assert_allclose(share, expected, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(sum(uses.values()), run.grad(param), rtol=1e-12, atol=1e-14)


@weighted
def test_frozen_layers_send_the_same_error_and_compute_no_gradient(case):
    node, inputs, error = prepared(case)
    layer = copy.deepcopy(node.layer)
    layer.frozen = True
    frozen = case.node(layer=layer)
    free, run = swept(node, inputs, error), swept(frozen, inputs, error)
    assert run["node"].a.tobytes() == free["node"].a.tobytes()
    for i in open_slots(node):
        assert run.edge(f"x{i}", "node").grad.tobytes() == free.edge(f"x{i}", "node").grad.tobytes()
    assert run.swept().records[frozen].grad == {}
    with pytest.raises(NotComputedError, match=r"frozen|nothing trainable"):
        assert run["node"].grad
    for param in layer.params.values():
        with pytest.raises(NotComputedError, match="frozen"):
            run.grad(param)


# ---- noise ----


def dropped(x, rate, seed=0, training=True):
    """Output of Dropout, and the error that it sends back when a 1 arrives at each element."""
    g = mg.Sequential(x.shape[1:], Dropout(rate))
    run = g.forward(x=x, training=training, seed=seed).backward("dropout", np.ones(x.shape), wrt="x")
    return run["dropout"].a, run["x"].error


def test_one_seed_draws_one_mask_and_each_sweep_and_each_node_another():
    x = np.ones((10, 50))
    one, same, other = dropped(x, 0.5)[0], dropped(x, 0.5)[0], dropped(x, 0.5, seed=1)[0]
    np.testing.assert_array_equal(one, same)
    assert 0.4 < np.mean(one != other) < 0.6
    layer = Dropout(0.5)
    g = mg.Graph(seed=0)
    first, second = (layer(g.input(name, 50), name=name + "'") for name in "xy")
    run = g.forward(x=x, y=x, training=True)
    masks = [run[first].a.copy(), run[second].a.copy()]
    run.forward(x=x, y=x)
    masks += [run[first].a.copy(), g.forward(x=x, y=x, training=True)[first].a]
    for i, a in enumerate(masks):
        assert all(0.4 < np.mean(a != b) < 0.6 for b in masks[:i])
    again = mg.Graph(seed=0)
    again.add(Dropout(0.5), again.input("x", 50), name="x'")
    np.testing.assert_array_equal(again.forward(x=x, training=True)["x'"].a, masks[0])


def test_the_mask_of_the_forward_sweep_goes_backward_also_where_the_input_is_0():
    a, sent = dropped(np.zeros((20, 50)), 0.25)
    assert not a.any()
    assert set(np.unique(sent)) == {0.0, 1 / 0.75}
    np.testing.assert_array_equal(dropped(np.ones((20, 50)), 0.25)[0], sent)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_keeps_as_many_as_it_should_and_the_mean(rate, dtype):
    n = 10**6
    g = mg.Sequential(n // 100, Dropout(rate), dtype=dtype)
    a = g.forward(x=np.ones((100, n // 100)), training=True, seed=0)["dropout"].a
    values = np.unique(a)
    np.testing.assert_allclose(values, [0, 1 / (1 - rate)], rtol=1e-6)
    four_sigma = 4 * np.sqrt(rate * (1 - rate) / n)
    assert abs(np.mean(a > 0) - (1 - rate)) < four_sigma
    assert abs(a.mean(dtype=float) - 1) < four_sigma / (1 - rate)


def test_dropout_is_the_identity_in_inference_and_drops_again_afterward():
    x = np.arange(1.0, 41.0).reshape(4, 10)
    for a in dropped(x, 0.5, training=False):
        assert a.shape == x.shape
    np.testing.assert_array_equal(dropped(x, 0.5, training=False)[0], x)
    g = mg.Sequential(10, Dropout(0.5))
    run = g.forward(x=x, training=True)
    np.testing.assert_array_equal(run.forward(x=x, training=False)["dropout"].a, x)
    assert (run.forward(x=x, training=True)["dropout"].a == 0).any()


def test_rate_0_keeps_all_and_rate_1_drops_all():
    x = np.arange(1.0, 41.0).reshape(4, 10)
    a, sent = dropped(x, 0)
    np.testing.assert_array_equal(a, x)
    np.testing.assert_array_equal(sent, np.ones_like(x))
    for array in dropped(x, 1):
        np.testing.assert_array_equal(array, np.zeros_like(x))


def test_the_global_generator_is_neither_used_nor_changed():
    x = np.ones((4, 10))
    before = np.random.get_state()
    one = dropped(x, 0.5)[0]
    np.random.seed(99)
    np.testing.assert_array_equal(dropped(x, 0.5)[0], one)
    np.random.set_state(before)
    dropped(x, 0.5, seed=None)
    after = np.random.get_state()
    assert (before[1] == after[1]).all()
    assert before[2:] == after[2:]


def test_a_rate_from_numpy_keeps_float32():
    g = mg.Sequential(3, Dropout(np.float64(0.3)), dtype="float32")
    run = g.forward(x=np.ones((2, 3)), training=True).backward("dropout", np.ones((2, 3)), wrt="x")
    assert run["dropout"].a.dtype == run["x"].error.dtype == np.float32


# ---- what is refused ----


REFUSED = [pytest.param(case, refused, id=f"{case.id}-{refused.shapes}") for case in CASES for refused in case.refuses]


@pytest.mark.parametrize(("case", "refused"), REFUSED)
def test_shapes_that_a_layer_does_not_take_are_refused_where_they_are_wired(case, refused):
    g = mg.Graph()
    inputs = [g.input(f"x{i}", shape) for i, shape in enumerate(refused.shapes)]
    layer = case.make()
    with pytest.raises(ShapeError) as caught:
        g.add(layer, *inputs, name='odd "one"')
    line = inspect.currentframe().f_lineno - 1
    message = str(caught.value)
    assert message.startswith(f"{type(layer).__name__} 'odd \"one\"' ")
    assert refused.takes in message
    assert refused.got in message
    assert message.endswith(f"(added at test_layers.py:{line})")
    assert [node.name for node in g.nodes] == [node.name for node in inputs]


WRONG = [
    *((Dense, units) for units in (0, -1, 2.5, 2.0, True, "3", None)),
    *((Dropout, rate) for rate in (-0.1, 1.1, float("nan"), "half", None, 1j, True)),
    *((Reshape, shape) for shape in (0, -2, (2, -2), (2, 0), 2.5, True, (2.0, 3), (True, 6), "ab", None)),
    *((Concat, axis) for axis in (1.0, True, "last", None)),
    *((Activation, kind) for kind in (None, 3, [], (), ["tanh", "relux"], [np.sin, "tanh"])),
]


@pytest.mark.parametrize(("kind", "value"), WRONG, ids=lambda v: getattr(v, "__name__", repr(v)))
def test_constructors_refuse_what_makes_no_sense_and_show_it(kind, value):
    with pytest.raises(GraphError) as caught:
        kind(value)
    assert kind.__name__ in str(caught.value)
    assert repr(value) in str(caught.value) or isinstance(value, (list, tuple))


SPELLINGS = [
    (Dense, 3, np.int64(3)),
    (Reshape, (3, 1), [np.int64(3), 1]),
    (Reshape, (3,), 3),
    (Reshape, (3,), np.int64(3)),
    (Activation, ["tanh", "relu", PAIR], [activations.tanh, "relu", PAIR]),
    (Activation, ["tanh"] * 3, (activations.tanh,) * 3),
]


@pytest.mark.parametrize(("kind", "one", "other"), SPELLINGS, ids=repr)
def test_two_spellings_make_the_same_layer(kind, one, other):
    graphs = [mg.Sequential(3, kind(spelling), seed=0) for spelling in (one, other)]
    runs = [g.forward(x=np.array([[0.5, -1.0, 2.0]]))[g.nodes[-1]].a for g in graphs]
    np.testing.assert_array_equal(*runs, strict=True)
    assert repr(graphs[1].nodes[-1].shape) == repr(graphs[0].nodes[-1].shape)  # no np.int64 in messages


# ---- the table is whole ----


def without_row(*modules):
    """Names of the layers in these modules that no row is about."""
    found = {v for module in modules for v in vars(module).values() if isinstance(v, type) and issubclass(v, Layer)}
    return sorted(kind.__name__ for kind in found - ABSTRACT - {type(case.make()) for case in CASES})


def test_every_layer_and_cost_has_a_row():
    assert without_row(layers, costs) == []


def test_a_layer_without_a_row_would_be_noticed(monkeypatch):
    class Novel(Dense):
        pass

    monkeypatch.setattr(layers, "Novel", Novel, raising=False)
    assert without_row(layers, costs) == ["Novel"]


def test_every_layer_of_the_package_is_exported_by_layers_or_costs():
    for family in pkgutil.iter_modules(layers.__path__):
        importlib.import_module(f"minigraph.layers.{family.name}")
    kinds, open_ = set(), [Layer]
    while open_:
        kind = open_.pop()
        open_ += kind.__subclasses__()
        kinds |= {kind} if kind.__module__.startswith("minigraph.") else set()
    exported = {v for module in (layers, costs) for v in vars(module).values() if isinstance(v, type)}
    assert {kind.__name__ for kind in kinds - exported} == set()


def test_every_layer_has_a_row_of_refusals_and_one_of_single_elements():
    kinds = {type(case.make()) for case in CASES}
    assert kinds == {type(case.make()) for case in CASES if case.refuses}
    assert kinds == {
        type(case.make()) for case in CASES if all(n == 1 for s in case.shapes for n in s) and any(case.shapes)
    }


def test_every_activation_has_rows():
    assert set(SIGMA) == set(activations.NAMED)
    assert {f"{kind}-{name}" for kind in ("Dense", "Activation") for name in SIGMA} <= {case.id for case in CASES}


def test_ids_are_unique():
    assert len({case.id for case in CASES}) == len(CASES)
