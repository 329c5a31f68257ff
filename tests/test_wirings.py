"""What holds for every wiring: gradients are differences, sweeps don't disturb each other, copies are copies."""

import copy
import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from oddities import close, slope, slopes
from wirings import ROWS, feeds, rebuilt, wired

import minigraph as mg
from minigraph.costs import Cost
from minigraph.errors import NoPathError, NotComputedError
from minigraph.layers import Dense, Layer, StopGradient
from minigraph.optimizers import SGD

RANDOM = range(50)
every_row = pytest.mark.parametrize("name", ROWS)
every_graph = pytest.mark.parametrize("name", [*ROWS, *RANDOM])


# ---- numbers from elsewhere ----


@dataclass(eq=False)
class Offset(Layer):
    """x + value, a constant put on one edge: ∂C/∂value is what comes back along it."""

    def build(self, shape, **_):
        self.value = None
        return shape

    def forward(self, at, x):
        return x if self.value is None else x + self.value

    def backward(self, at, error):
        return error


@dataclass(eq=False)
class Held(StopGradient):
    """A StopGradient that goes on giving the same numbers, so that differences don't see what is behind it."""

    held: np.ndarray

    def forward(self, at, x):
        return self.held


def constants_held(w, run, between=lambda *edge: None):
    """The graph again, where targets and what StopGradients give stay as they were in a run."""
    given = {view.node: np.array(view.a) for view in run}

    def on_edge(source, target, slot):
        constant = slot in target.constant_inputs
        if constant and isinstance(target.layer, Cost) and source.dtype.kind == "f" and source in given:
            return Held(given[source])
        return None if constant else between(source, target, slot)

    def instead(node):
        return Held(given[node]) if isinstance(node.layer, StopGradient) and node in given else None

    return rebuilt(w, between=on_edge, instead=instead)


def attempt(read):
    """A number, or None where there is said to be no path."""
    try:
        return read()
    except NoPathError:
        return None


def numbers(run, frozen=True):
    """All that a finished run tells, by name, as copies."""
    found = {"cost": np.array(run.cost)}
    for view in run:
        name = view.node.name
        found[name, "a"] = view.a.copy()
        if isinstance(view.node.layer, Dense):
            found[name, "z"] = view.z.copy()
        if view.state == "computed":
            found[name, "δ"], found[name, "error"] = view.delta.copy(), view.error.copy()
            for attribute, param in view.node.layer.params.items():
                if not view.node.layer.frozen:
                    found[name, attribute] = view.grad[param].copy()
        for slot, source in enumerate(view.node.inputs):
            edge = run.edge(source, view.node, slot)
            if edge.state == "computed":
                found[name, slot] = edge.grad.copy()
    return found


def same(one, two):
    assert one.keys() == two.keys()
    for key in one:
        assert one[key].dtype == two[key].dtype, key
        assert np.array_equal(one[key], two[key]), key


def swept(w, **options):
    return w.forward(**options).backward(wrt=w.floats())


# ---- gradients ----


@every_graph
def test_gradients_of_params_and_inputs_equal_differences(name):
    w = wired(name)
    run = swept(w)
    twin = constants_held(w, run)
    again, fed = mg.Run(twin.graph), {key: array.copy() for key, array in twin.feeds.items()}

    def cost():
        return again.forward(fed, until=twin.until).cost

    frozen = {param for node in w.graph.nodes if node.layer.frozen for param in node.layer.params.values()}
    ran = {param for view in run for param in view.node.layer.params.values()}
    for key, param in w.graph.params.items():
        if param in frozen or param not in ran:
            with pytest.raises(NotComputedError):
                run.grad(param)
            continue
        expected = slopes(cost, twin.graph.params[key].value)
        found = attempt(lambda param=param: run.grad(param))
        assert (found is None) == (not expected.any()), key
        if found is not None:
            close(found, expected)
    for node in w.floats():
        expected = slopes(cost, fed[node.name]) * run.m  # errors are sums over examples, the cost is the mean
        found = attempt(lambda node=node: run[node].delta)
        assert (found is None) == (not expected.any()), node
        if found is not None:
            close(found, expected)


@every_graph
def test_errors_along_edges_equal_differences(name):
    w = wired(name, m=3)
    run = swept(w)
    offsets = {}

    twin = constants_held(w, run, between=lambda *edge: offsets.setdefault(edge, Offset()))
    again = mg.Run(twin.graph)

    def cost():
        return again.forward(twin.feeds, until=twin.until).cost

    seen, rng = 0, np.random.default_rng(0)
    for view in run:
        for slot, source in enumerate(view.node.inputs):
            edge = run.edge(source, view.node, slot)
            if slot in view.node.constant_inputs or edge.state == "not asked":
                continue
            offset = offsets[source, view.node, slot]
            offset.value = np.zeros((3, *source.shape))
            for direction in rng.normal(size=(2, *offset.value.shape)):
                expected = slope(cost, offset.value, direction) * run.m
                grad = attempt(lambda edge=edge: edge.grad)
                assert (grad is None) == (expected == 0.0), edge
                if grad is not None:
                    close((grad * direction).sum(), expected, size=abs(grad).sum())
                    seen += 1
            offset.value = None
    assert seen


@every_graph
def test_uses_and_examples_add_up_to_the_whole(name):
    w = wired(name)
    run = swept(w)
    counted = 0
    for param in w.graph.params.values():
        try:
            whole = run.grad(param)
        except NotComputedError:
            continue
        close(sum(run.grad(param, per="use").values()), whole)
        per_example = run.grad(param, per="example")
        close(per_example.mean(axis=0), whole)
        for x in (0, run.m - 1):
            alone = w.forward({key: array[x] for key, array in w.feeds.items()}).backward()
            close(per_example[x], alone.grad(param))
        counted += 1
    assert counted


@every_graph
def test_the_order_in_which_nodes_are_added_does_not_matter(name):
    w = wired(name)
    expected = numbers(swept(w))
    rng = np.random.default_rng(7)
    for _ in range(3):
        waiting, order = list(w.graph.nodes), []
        while waiting:
            ready = [node for node in waiting if all(source in order for source in node.inputs)]
            order.append(ready[rng.integers(len(ready))])
            waiting.remove(order[-1])
        found = numbers(swept(rebuilt(w, order)))
        assert found.keys() == expected.keys()
        for key in expected:
            close(found[key], expected[key])


# ---- sweeps ----


@every_graph
def test_the_next_sweep_equals_a_fresh_run_bit_for_bit(name):
    w = wired(name)
    run = swept(w)
    for m, seed in ((4, 2), (1, 3), (4, 4)):
        other = feeds(w.graph, m, seed, w.until)
        run.forward(other, until=w.until).backward(wrt=w.floats())
        fresh = w.forward(other).backward(wrt=w.floats())
        same(numbers(run), numbers(fresh))


@every_graph
def test_backward_twice_gives_the_same_numbers(name):
    w = wired(name)
    run = swept(w)
    once = numbers(run)
    same(once, numbers(run.backward(wrt=w.floats())))
    run.backward()
    same(once, numbers(run.backward(wrt=w.floats())))


@every_graph
def test_what_was_handed_on_is_never_changed_later(name):
    w = wired(name)
    early = {}

    def forward(node, view):
        early[node.name, "a"] = view.a.copy()

    def backward(node, view):
        early[node.name, "error"], early[node.name, "δ"] = view.error.copy(), view.delta.copy()
        for slot, source in enumerate(node.inputs):
            edge = view._run.edge(source, node, slot)
            if edge.state == "computed":
                early[node.name, slot] = edge.grad.copy()

    run = w.forward(observe=forward).backward(wrt=w.floats(), observe=backward)
    late = numbers(run)
    same(early, {key: late[key] for key in early})


@every_row
def test_one_example_is_a_row_of_a_batch(name):
    w = wired(name, m=3)
    batch = numbers(swept(w))
    for x in range(3):
        alone = w.forward({key: array[x] for key, array in w.feeds.items()})
        alone.backward(wrt=w.floats())
        for key, found in numbers(alone).items():
            if key != "cost" and key[1] not in ("w", "b"):
                close(found, batch[key][x])


@every_row
def test_float32_stays_float32(name):
    w = wired(name, dtype="float32")
    run = swept(w)
    SGD(0.1, momentum=0.9, weight_decay=1e-3).step(run)
    run.forward(w.feeds, until=w.until).backward(wrt=w.floats())
    for key, array in numbers(run).items():
        assert array.dtype == (np.int64 if array.dtype.kind == "i" else np.float64 if key == "cost" else np.float32)
    for view in run:
        kept = [value for value in vars(run.swept().records[view.node]).values() if isinstance(value, np.ndarray)]
        assert {array.dtype.name for array in kept} <= {"float32", "int64", "bool"}
    for param in w.graph.params.values():
        assert param.dtype == np.float32
        if attempt_grad(run, param) is not None:
            assert {run.grad(param, per="example").dtype, run.grad(param).dtype} == {np.dtype("float32")}
            assert {share.dtype for share in run.grad(param, per="use").values()} == {np.dtype("float32")}
    double = numbers(swept(rebuilt_as(w, "float64")))
    single = numbers(swept(rebuilt_as(w, "float32")))
    for key in double:
        assert abs(double[key] - single[key]).max() <= 1e-4 * max(1.0, abs(double[key]).max()), key


def attempt_grad(run, param):
    try:
        return run.grad(param)
    except NotComputedError:
        return None


def rebuilt_as(w, dtype):
    twin = copy.copy(w)
    twin.graph = w.graph.copy(dtype)
    return twin


@every_row
def test_an_optimizer_moves_params_by_the_gradients_of_all_uses(name):
    w = wired(name)
    run, sgd = mg.Run(w.graph), SGD(0.1, momentum=0.9, weight_decay=0.01)
    velocity = dict.fromkeys(w.graph.params, 0.0)
    for optimizer in (SGD(0.1), sgd, sgd, sgd):
        run.forward(w.feeds, until=w.until).backward()
        expected = {key: param.value.copy() for key, param in w.graph.params.items()}
        for key, param in w.graph.params.items():
            grad = attempt_grad(run, param)
            if grad is not None and optimizer is sgd:
                velocity[key] = grad = 0.9 * velocity[key] + grad + 0.01 * param.value
            if grad is not None:
                expected[key] -= 0.1 * grad
        optimizer.step(run)
        for key, param in w.graph.params.items():
            close(param.value, expected[key])


# ---- copies, tables ----

COPIES = {
    "copy": lambda g: g.copy(),
    "deepcopy": copy.deepcopy,
    "pickle": lambda g: pickle.loads(pickle.dumps(g)),
}


@every_row
@pytest.mark.parametrize("way", COPIES)
def test_copies_give_the_same_numbers_and_stand_alone(name, way):
    w = wired(name)
    before = numbers(swept(w))
    twin = copy.copy(w)
    twin.graph = COPIES[way](w.graph)
    same(before, numbers(swept(twin)))
    assert sharing(twin.graph) == sharing(w.graph)
    assert repr(twin.graph.nodes) == repr(w.graph.nodes)
    assert all(node.graph is twin.graph for node in twin.graph.nodes)
    run = swept(twin)
    for _ in range(3):
        SGD(1e-3, momentum=0.5).step(run.forward(twin.feeds, until=twin.until).backward())
    same(before, numbers(swept(w)))
    assert swept(twin).cost != before["cost"]


def sharing(g):
    """For each node which layer and Params it has, numbered as they come."""
    layers, params = [], []
    for node in g.nodes:
        layers.append(node.layer)
        params += node.layer.params.values()
    return [layers.index(layer) for layer in layers], [params.index(param) for param in params]


@every_row
def test_validate_and_summary_tell_all_nodes(name):
    w = wired(name)
    assert {problem.name for problem in w.graph.validate(w.feeds, w.until)} == set(w.dead)
    table = w.graph.summary()
    rows = [line.split() for line in table.splitlines()]
    for node in w.graph.nodes:
        assert any(node.name in line for line in table.splitlines())
    assert len(rows) == len(w.graph.nodes) + 5
    assert f"{sum(param.size for param in w.graph.params.values()):,} parameters" in table
