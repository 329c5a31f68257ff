"""Runs that watch for NaN and infinite numbers: where they stop, what they say, how they are drawn."""

import copy
import pickle

import numpy as np
import pytest
from oddities import Pair, Scale, Through, alike, around, custom, deep, equal, fed, gradients
from wirings import ROWS, wired

import minigraph as mg
from minigraph.costs import L2, Quadratic, SoftmaxCrossEntropy, Value
from minigraph.errors import FeedError, LayerError, NonFiniteError, NotComputedError, StaleError
from minigraph.layers import Add, BatchNorm, Dense, Dropout, Exp, Log, MultiHeadAttention, Sqrt, Sum
from minigraph.layers import Scale as Times

EYE = lambda shape, rng: np.eye(*shape)  # noqa: E731
FINITE = {"x": np.full((4, 3), 2.0), "t": np.ones((4, 2))}


def behind(layer, *more, recompute=False, cost=None, dtype="float64"):
    """x -> h, of units weights -> the layer, named "layer" -> more layers -> y -> cost."""
    g = mg.Graph("net", seed=0, dtype=dtype)
    block = mg.Graph("block", dtype=dtype)
    node = block.input("x", 3)
    for one, name in zip([Dense(3, weights=EYE), layer, *more], ["h", "layer", *"abcdefgi"], strict=False):
        node = block.add(one, node, name=name)
    block.output(node)
    g.cost(cost or Quadratic(), Dense(2, name="y")(g.block(block, g.input("x", 3), recompute=recompute)), name="cost")
    return g


def stopped(g, back=True, feeds=FINITE, **options):
    """The error of a run that watches."""
    run = mg.Run(g, watch_nonfinite=True, **options)
    if back:
        run.forward(feeds)
    with pytest.raises(NonFiniteError) as caught:
        run.backward() if back else run.forward(feeds)
    return caught.value


def fed_with(value, at=(1, 2), key="x"):
    feeds = {name: array.copy() for name, array in FINITE.items()}
    feeds[key][at] = value
    return feeds


# ---- forward ----


def test_a_run_stops_at_the_first_node_that_makes_infinity_and_says_all_about_it():
    fault = stopped(behind(Log(), Exp()), back=False, feeds=fed_with(0.0))
    said = str(fault)
    assert said.startswith("Log 'block/layer' (added at test_nonfinite.py:")
    assert ", forward: its output has 1 infinite of 12 numbers, the first at [1, 2]: they arose here" in said
    assert "Its input 'block/h' went from 0 to 2.00; it has no Params. Try: keep what enters within bounds" in said
    assert (fault.node, fault.direction) == ("block/layer", "forward")
    assert isinstance(fault, mg.errors.MinigraphError)
    assert isinstance(fault, ArithmeticError)


def test_infinity_that_a_later_node_takes_away_is_a_fault_here():
    g = behind(Log(), Exp())
    with np.errstate(divide="ignore"):
        assert np.isfinite(g.forward(fed_with(0.0)).cost)
    assert stopped(g, back=False, feeds=fed_with(0.0)).node == "block/layer"


def test_the_run_that_stopped_can_be_looked_at_up_to_there():
    run = stopped(behind(Log()), back=False, feeds=fed_with(0.0)).run
    assert run["block/h"].a[1, 2] == 0.0
    assert run["block/layer"].a[1, 2] == -np.inf
    with pytest.raises(NotComputedError):
        run["y"].a  # noqa: B018
    with pytest.raises(StaleError, match="missing or was interrupted"):
        run.backward()
    (finding,) = run.diagnose().of("block/layer")
    assert finding.evidence in str(stopped(run.graph, back=False, feeds=fed_with(0.0)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_params_that_are_not_finite_are_named(value):
    g = behind(Through())
    g["y"].layer.w.value[1, 0] = value
    fault = stopped(g, back=False)
    word = "NaN" if np.isnan(value) else "infinite"
    assert fault.node == "y"
    assert f"'y.w' has 1 {word} of 6 numbers, the first at [1, 0]. Its input 'block/layer' went from" in str(fault)
    assert "Try: weights from before the step that broke them" in str(fault)


def test_a_penalty_of_params_that_overflow_names_their_numbers():
    g = behind(Through(), dtype="float32")
    g.cost(L2(0.1, "y.w"), name="penalty")
    g.freeze("y")  # it goes on counting
    g["y"].layer.w.value[0, 0] = 1e30
    g["y"].layer.w.value[0, 1] = -1e30
    fault = stopped(g, back=False, feeds={"x": np.zeros((4, 3)), "t": np.zeros((4, 2))})
    assert fault.node == "penalty"
    assert "It takes no input; its Param 'y.w' is finite. Try:" in str(fault)


def test_running_statistics_that_are_not_finite():
    g = behind(BatchNorm())
    g["block/layer"].layer.variance[0] = np.nan
    assert "its variance isn't finite" in str(stopped(g, back=False))


def test_one_example_has_places_without_a_row():
    fault = stopped(behind(Log()), back=False, feeds={"x": np.array([1.0, 1.0, 0.0]), "t": np.ones(2)})
    assert "1 infinite of 3 numbers, the first at [2]" in str(fault)
    g = mg.Graph()
    g.cost(Value(), Log(name="log")(g.input("x", ())))
    with pytest.raises(NonFiniteError, match="1 infinite of 1 number: they arose here"):
        g.forward(x=0.0, watch_nonfinite=True)


@pytest.mark.parametrize("name", ROWS)
def test_whichever_node_goes_wrong_it_is_named_forward_and_back(name):
    w = wired(name)
    run = w.forward(w.feeds, watch_nonfinite=True)
    returned = []
    run.backward(observe=lambda node, view: returned.append(node))
    for node in [view.node for view in run if view.node.inputs][:: max(1, len(list(run)) // 4)]:
        with planted(node, "forward"):
            fault = _stopped(w, back=False)
            assert (fault.node, fault.direction) == (node.name, "forward")
        if node in returned and run._backward.errands[node].needs.count(True):
            with planted(node, "backward"):
                fault = _stopped(w, back=True)
                assert (fault.node, fault.direction) == (node.name, "backward")


def _stopped(w, back):
    with pytest.raises(NonFiniteError) as caught:
        w.forward(w.feeds, watch_nonfinite=True).backward()
    assert (caught.value.direction == "backward") is back
    return caught.value


class planted:
    """While it lasts, one node's layer puts NaN into what it returns; other uses of the layer don't."""

    def __init__(self, node, direction):
        self.node, self.direction = node, direction

    def __enter__(self):
        node, layer = self.node, self.node.layer
        method = getattr(layer, self.direction)

        def wrong(at, *arrays):
            result = method(at, *arrays)
            return _with_nan(result) if at._node == node.id else result

        vars(layer)[self.direction] = wrong

    def __exit__(self, *_):
        del vars(self.node.layer)[self.direction]


def _with_nan(result):
    if isinstance(result, tuple | list):
        return tuple(None if part is None else _with_nan(part) for part in result)
    result = np.array(result)
    result[..., -1] = np.nan
    return result


# ---- backward ----


def test_a_slope_that_is_infinite_is_found_going_back():
    fault = stopped(behind(Sqrt()), feeds=fed_with(0.0))
    said = str(fault)
    assert (fault.node, fault.direction) == ("block/layer", "backward")
    assert ", backward: what it sends to 'block/h' has 1 infinite of 12 numbers, the first at [1, 2]" in said
    assert "though the error that arrives is finite. The error that arrived went from" in said
    assert "; its input 'block/h' went from 0 to 2.00; it has no Params. Try: keep what enters off the places" in said
    run = fault.run
    assert np.isfinite(run["y"].delta).all()
    assert not np.isfinite(run.edge("block/h", "block/layer").grad).all()
    with pytest.raises(NotComputedError):
        run["block/h"].delta  # noqa: B018
    assert fault.node in run.diagnose()[0].node


def test_a_gradient_that_is_not_finite_is_found_though_what_is_sent_on_is():
    def backward(self, at, error):
        at.grad[self.p] = np.array([1.0, np.inf, np.nan])
        return error

    fault = stopped(behind(custom(Scale, backward=backward)))
    assert "its part of ∂C/∂ of 'block/layer.p' has 1 NaN and 1 infinite of 3 numbers, the first at [1]" in str(fault)
    assert "its Param 'block/layer.p' is finite" in str(fault)


def test_what_nobody_asked_for_may_be_anything():
    g = mg.Graph(seed=0)
    x = g.input("x", 3)
    pair = custom(Pair, backward=lambda self, at, error: (np.full_like(error, np.nan), error))
    g.cost(Quadratic(), Dense(2)(g.add(pair, x, Dense(3)(x), name="pair")))
    run = g.forward(FINITE, watch_nonfinite=True).backward()
    with pytest.raises(NonFiniteError, match="what it sends to 'x' has 12 NaN"):
        run.backward(wrt="x")


def test_finite_errors_with_an_infinite_sum():
    g = mg.Graph(seed=0, dtype="float32")
    h = g.input("x", 2) >> Dense(2, name="h")
    for name in ("u", "v"):
        g.cost(Value(), Sum()(h >> Times(3e38, name=name)), name=f"cost of {name}")
    with pytest.raises(NonFiniteError, match=r"'h' .*, backward: its error has .*: it is a sum of finite errors"):
        g.forward(x=np.zeros((4, 2)), watch_nonfinite=True).backward()


def test_finite_gradients_of_uses_with_an_infinite_sum():
    g = mg.Graph(seed=0, dtype="float32")
    twice = Scale(name="twice")
    h = g.input("x", 2) >> twice >> twice
    g.cost(Value(), Sum()(h >> Times(1e38)))
    said = r"'twice' .*, backward: ∂C/∂ of 'twice\.p' has 2 infinite of 2 numbers, .* of 'twice_1', 'twice'\. Its Param"
    with pytest.raises(NonFiniteError, match=said):
        g.forward(x=np.ones((1, 2)), watch_nonfinite=True).backward()


@pytest.mark.parametrize("single", [True, False])
def test_a_given_error_that_is_not_finite(single):
    run = behind(Through()).forward({k: a[0] if single else a for k, a in FINITE.items()}, watch_nonfinite=True)
    error = np.ones(run["y"].a.shape)
    error[(..., 1)] = np.nan
    place = r"\[1\]" if single else r"\[0, 1\]"
    with pytest.raises(FeedError, match=rf"error of 'y' \(added at .*, the first at {place}: give a finite error"):
        run.backward("y", error)
    with pytest.raises(FeedError, match="error of 'block/h'"):
        run.backward({"block/h": np.full(run["block/h"].a.shape, np.inf), "y": np.ones(error.shape)})
    run.backward("y", np.ones(error.shape))


# ---- feeds ----


@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite")])
def test_a_feed_that_is_not_finite_is_named(value, word):
    g = behind(Through())
    with pytest.raises(FeedError) as caught:
        g.forward(fed_with(value), watch_nonfinite=True)
    said = str(caught.value)
    assert said.startswith("input 'x' (added at test_nonfinite.py:")
    assert f"got 1 {word} of 12 numbers, the first at [1, 2]: look at the data, np.isfinite(x).all()" in said
    with pytest.raises(FeedError, match="input 't'"):
        g.forward(fed_with(value, (0, 0), "t"), watch_nonfinite=True)
    run = g.forward(FINITE, watch_nonfinite=True)
    with pytest.raises(FeedError, match="input 'x'"):  # fed alone
        run.forward(x=fed_with(value)["x"])
    alike(run.forward(FINITE).backward(), g.forward(FINITE).backward())


def test_integers_are_finite():
    g = mg.Sequential(3, Dense(4), cost=SoftmaxCrossEntropy(), seed=0)
    g.forward(x=np.ones((2, 3)), t=[0, 1], watch_nonfinite=True).backward()


# ---- what is no fault ----


def test_masks_under_a_softmax_are_none():
    g = mg.Graph(seed=0)
    x = g.input("x", (5, 4))
    g.cost(Quadratic(), MultiHeadAttention(2, causal=True)(x), target="t")
    feeds = {"x": np.random.default_rng(0).normal(size=(3, 5, 4)), "t": np.zeros((3, 5, 4))}
    alike(g.forward(feeds, watch_nonfinite=True).backward(), g.forward(feeds).backward())


def test_numpy_does_not_warn_or_raise_before_the_run_does():
    with np.errstate(all="raise"):
        assert stopped(behind(Log()), back=False, feeds=fed_with(0.0)).direction == "forward"
        assert stopped(behind(Sqrt()), feeds=fed_with(0.0)).direction == "backward"
    quiet = custom(forward=lambda self, at, x: np.where(x > 0, np.log(x), 0.0))
    behind(quiet).forward(fed_with(0.0), watch_nonfinite=True)  # without a warning


def test_without_the_watch_nothing_stops():
    run = behind(Log()).forward(FINITE)
    with np.errstate(all="ignore"):
        assert np.isnan(run.forward(fed_with(np.nan)).backward().cost)


# ---- with all else that runs can do ----


@pytest.mark.parametrize("name", ROWS)
def test_watching_changes_no_number(name):
    w = wired(name)
    watching, run = (mg.Run(w.graph, seed=3, training=True, watch_nonfinite=watch) for watch in (True, False))
    for _ in range(2):
        alike(
            watching.forward(w.feeds, until=w.until).backward(),
            run.forward(w.feeds, until=w.until).backward(),
        )


def test_a_run_goes_on_after_it_stopped_however_often():
    g = behind(Log(), Dropout(0.5), Sqrt())
    good, bad = fed_with(5.0), fed_with(0.0)
    flat = fed_with(1.0)  # log is 0, where sqrt has an infinite slope
    g["block/a"].layer.rate = 0.0
    run = mg.Run(g, seed=1, watch_nonfinite=True)
    for _ in range(3):
        for feeds in (bad, good, flat, good):
            fresh = mg.Run(g, seed=1)
            if feeds is bad:
                with pytest.raises(NonFiniteError, match="forward"):
                    run.forward(feeds)
            elif feeds is flat:
                with pytest.raises(NonFiniteError, match="backward"):
                    run.forward(feeds).backward()
            else:
                alike(run.forward(feeds).backward(), fresh.forward(feeds).backward())


def test_until_and_observe_go_with_it():
    g, seen = behind(Log()), []

    def observe(node, view):
        assert np.isfinite(view.a).all()
        seen.append(node.name)

    assert np.isfinite(g.forward(fed_with(0.0), until="block/h", watch_nonfinite=True)["block/h"].a).all()
    with pytest.raises(NonFiniteError):
        g.forward(fed_with(0.0), watch_nonfinite=True, observe=observe)
    assert seen == ["x", "t", "block/h"]  # not the node that it is about
    run = behind(Sqrt()).forward(fed_with(0.0), watch_nonfinite=True)
    with pytest.raises(NonFiniteError):
        run.backward(observe=lambda node, view: seen.append(node.name))
    assert seen[3:] == ["cost", "y"]


def test_a_layer_that_breaks_its_contract_is_told_first():
    g = behind(custom(forward=lambda self, at, x: np.full(3, np.nan)))
    with pytest.raises(LayerError, match="forward must return"):
        g.forward(FINITE, watch_nonfinite=True)


@pytest.mark.parametrize("recompute", [True, False])
@pytest.mark.parametrize(("layer", "back"), [(Log, False), (Sqrt, True)])
def test_blocks_that_are_computed_again(layer, back, recompute):
    g = behind(layer(), *(Dense(3, "tanh") for _ in range(8)), recompute=recompute)
    fault = stopped(g, back, fed_with(0.0), training=True, guard=False)
    assert fault.node == "block/layer"
    assert "1 infinite of 12" in fault.picture().dot
    assert ("computed again, not kept" in fault.picture().dot) is (recompute and back)
    good = fed_with(3.0)
    one = mg.Run(g, training=True, guard=False, watch_nonfinite=True).forward(good).backward()
    equal(gradients(one), gradients(g.forward(good, training=True).backward()))


def test_where_the_last_node_of_a_sweep_went_wrong_nothing_goes_on():
    g = mg.Graph(seed=0)
    g.cost(Value(), Log()(g.input("x", ()) >> Times(1.0)), name="cost")
    vars(g["cost"].layer)["forward"] = lambda at, x: np.full(at.m, np.nan)
    run = mg.Run(g, watch_nonfinite=True)
    for _ in range(2):
        with pytest.raises(NonFiniteError, match="'cost'"):
            run.forward(x=np.ones(3))
        with pytest.raises(StaleError, match="interrupted"):
            run.backward()
    g = around(Scale())
    backward = g["h"].layer.backward
    vars(g["h"].layer)["backward"] = lambda at, error: (backward(at, error), at.grad[g["h"].layer.b].fill(np.nan))[0]
    run = mg.Run(g, watch_nonfinite=True).forward(fed(0))
    for _ in range(2):
        with pytest.raises(NonFiniteError, match=r"∂C/∂ of 'h\.b'"):
            run.backward()
        before = [param.value.copy() for param in g.params.values()]
        with pytest.raises(NotComputedError, match="interrupted"):
            mg.SGD(0.1).step(run)
        equal(before, [param.value for param in g.params.values()])


@pytest.mark.parametrize("guard", [True, False])
def test_an_observer_that_fails_at_the_last_node_leaves_nothing_to_go_on_with(guard):
    g = deep()

    def observe(node, view):
        if node is last:
            raise KeyError(node.name)

    run, last = mg.Run(g, guard=guard), g["cost"]
    with pytest.raises(KeyError):
        run.forward(fed(0), observe=observe)
    with pytest.raises(StaleError, match="interrupted"):
        run.backward()
    with pytest.raises(FeedError, match="'t'"):
        run.forward(x=fed(0)["x"])  # nothing whole to complete
    run.forward(fed(0))
    last = list(run.backward()._backward.place)[-1]
    with pytest.raises(KeyError):
        run.backward(observe=observe)
    with pytest.raises(NotComputedError, match="interrupted"):
        mg.SGD(0.1).step(run)
    mg.SGD(0.1).step(run.backward())


# ---- the error itself ----


def test_the_error_is_copied_and_pickled_without_its_run():
    fault = stopped(behind(Log()), back=False, feeds=fed_with(0.0))
    for twin in (copy.copy(fault), pickle.loads(pickle.dumps(fault))):
        assert (str(twin), twin.node, twin.direction) == (str(fault), fault.node, fault.direction)
        assert twin.run is None
        with pytest.raises(NotComputedError, match="a copy of a NonFiniteError"):
            twin.picture()


@pytest.mark.parametrize("layer", [Log, Sqrt])
def test_its_picture_is_of_its_own_sweep(layer):
    fault = stopped(behind(layer()), layer is Sqrt, fed_with(0.0))
    assert "not finite" in fault.picture().dot
    fault.run.forward(FINITE)
    with pytest.raises(StaleError, match="swept anew"):
        fault.picture()


def test_a_stop_forward_is_drawn_with_what_went_forward_and_what_was_not_reached(tmp_path):
    fault = stopped(behind(Log(), Exp()), back=False, feeds=fed_with(0.0))
    g, dot = fault.run.graph, fault.picture().dot
    assert "stopped going forward, batch of 4" in dot
    assert "makes numbers that aren't finite" in dot
    drawn = {name: dot[dot.index(f"n{g[name].id} [label=") :].split("\n\t")[0] for name in ("block/layer", "y", "x")}
    assert "⚠ not finite" in drawn["block/layer"]
    assert ">1 infinite of 12<" in drawn["block/layer"]
    style = mg.Style()
    assert style.alarm in drawn["block/layer"]
    assert style.faint in drawn["y"]
    assert style.faint not in drawn["x"]
    assert dot.count("⚠ not finite") == 1
    assert fault.draw(tmp_path / "stopped.gv").read_text().startswith("digraph")
    bare = fault.picture(title=False, legend=False, numbers=False).dot
    assert "stopped" not in bare.partition("n0 [")[0].partition("{")[2]
    assert ">0 … 2.00<" in dot
    assert ">0 … 2.00<" not in bare


def test_a_stop_going_back_is_drawn_as_the_gradient_flow_so_far():
    fault = stopped(behind(Sqrt()), feeds=fed_with(0.0))
    dot = fault.picture(style="print").dot
    assert "stopped going back, batch of 4" in dot
    assert dot.count("⚠ not finite") == 1
    assert "⚠ ∞" in dot  # along the edge
    assert "no gradient yet" in dot
    assert "found by run.diagnose()" not in dot


def test_a_folded_drawing_says_of_how_many():
    g = mg.Graph(seed=0)
    node = g.input("x", 3)
    for _ in range(4):
        block = mg.Graph()
        block.output(block.input("x", 3) >> Dense(3, weights=EYE) >> Sqrt())
        node = block(node)
    g.cost(Quadratic(), node, target="t")
    fault = stopped(g, feeds={"x": np.array([[0.0, 1.0, 1.0]]), "t": np.zeros((1, 3))})
    assert "not finite (1 of 4)" in fault.picture(fold=True).dot
    assert "not finite (1 of" in fault.picture(depth=0).dot


def test_many_inputs_are_told_in_part():
    g = mg.Graph(seed=0)
    inputs = [g.input(f"x{i}", 2) for i in range(6)]
    g.cost(
        Value(), Sum()(custom(forward=lambda self, at, *x: x[0] * np.inf, build=lambda self, *s, **_: s[0])(*inputs))
    )
    with pytest.raises(NonFiniteError, match=r"inputs 'x0' went from 1\.00 to 1\.00, .* and 2 more; it has no Params"):
        g.forward({node.name: np.ones((1, 2)) for node in inputs}, watch_nonfinite=True)


def test_training_loops_stop_before_weights_are_spoilt():
    g = mg.Sequential(3, Dense(8, "relu"), Dense(8, "relu"), Dense(2), cost=Quadratic(), seed=0)
    run, sgd = mg.Run(g, training=True, guard=False, watch_nonfinite=True), mg.SGD(100.0)

    def train():
        for _ in range(1000):
            sgd.step(run.forward(FINITE).backward())

    with pytest.raises(NonFiniteError):
        train()
    assert all(np.isfinite(param.value).all() for param in g.params.values())


def test_add_is_told_with_both_its_inputs():
    g = mg.Graph(dtype="float32")
    g.cost(Value(), Sum()(Add(name="sum")(g.input("x", 1), g.input("y", 1))))
    with pytest.raises(NonFiniteError, match=r"'sum' .*inputs of up to 3\.00e38 .* inputs 'x' went from 3\.00e38 to"):
        g.forward(x=[[3e38]], y=[[3e38]], watch_nonfinite=True)
