"""What a layer keeps on its record: buffers, random numbers, running statistics. Promise 5 of the design."""

from dataclasses import dataclass

import numpy as np
import pytest
from oddities import Noise, Through, around, close, custom, slopes

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.errors import NotComputedError
from minigraph.layers import Dense

rng = np.random.default_rng(5)
X, T = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))


def noisy():
    """Noise twice, one layer."""
    g = mg.Graph(seed=0)
    noise = Noise(name="noise")
    g.cost(Quadratic(), g.input("x", 3) >> noise >> noise)
    return g


def drawn(g, **options):
    return g.forward(x=X, t=X, **options)["noise"].r.copy()


def test_promise_05_seed_node_and_sweep_decide_what_is_drawn():
    g = noisy()
    fed = {"x": X, "t": X}
    run, again, other = (mg.Run(g, seed=seed).forward(fed) for seed in (3, 3, 4))
    first = run["noise"].r.copy()
    assert np.array_equal(first, again["noise"].r)
    assert not np.isclose(first, other["noise"].r).any()
    assert not np.isclose(first, run["noise_1"].r).any()
    run.forward(fed)
    assert not np.isclose(first, run["noise"].r).any()
    assert np.array_equal(run["noise"].r, again.forward(fed)["noise"].r)


def test_promise_05_a_layer_may_draw_more_than_once():
    def forward(self, at, x):
        at.one, at.two = at.rng.random(x.shape), at.rng.random(x.shape)
        at.rewind()
        at.three = at.rng.random(x.shape)
        return x

    view = around(custom(forward=forward)).forward(x=X, t=T)["custom"]
    assert not np.isclose(view.one, view.two).any()
    assert np.array_equal(view.one, view.three)


def test_promise_05_runs_without_a_seed_differ_and_repeat_with_the_graph():
    g, again = noisy(), noisy()
    one, two = drawn(g), drawn(g)
    assert not np.isclose(one, two).any()
    assert np.array_equal(one, drawn(again))
    assert np.array_equal(two, drawn(again))


def test_promise_05_what_is_drawn_does_not_depend_on_what_else_runs():
    g = noisy()
    alone = g.forward(x=X, until="noise", seed=3)["noise"].r.copy()
    assert np.array_equal(alone, drawn(g, seed=3))


def test_promise_05_numpys_global_generator_is_neither_used_nor_moved():
    np.random.seed(1)
    one = drawn(noisy())
    after = np.random.random()
    np.random.seed(1)
    assert np.random.random() == after
    assert np.array_equal(one, drawn(noisy()))


def test_promise_05_recomputing_draws_the_same():
    g = noisy()
    run = mg.Run(g, seed=3).forward(x=X, t=X).backward()
    p, before = g["noise"].layer.p, run["noise"].r.copy()
    close(run.grad(p), slopes(lambda: mg.Run(g, seed=3).forward(x=X, t=X).cost, p.value))
    close(run.grad(p, per="example").mean(axis=0), run.grad(p))
    assert np.array_equal(run["noise"].r, before)
    close(run.backward().grad(p), slopes(lambda: mg.Run(g, seed=3).forward(x=X, t=X).cost, p.value))


@dataclass(eq=False)
class Running(Through):
    """x less a running mean."""

    mean: float = 0.0
    moved: int = 0

    def forward(self, at, x):
        if at.training:
            at.seen = float(x.mean())
        return x - self.mean

    def commit(self, at):
        self.mean += at.seen
        self.moved += 1


def test_promise_05_running_statistics_move_with_the_update_and_never_else():
    g = around(Running())
    layer, sgd = g["custom"].layer, mg.SGD(0.1)
    run = g.forward(x=X, t=T, training=True).backward()
    run.grad(g["h"].layer.w, per="example")
    run.forward(x=2 * X, t=T).backward().backward()
    assert layer.moved == 0
    seen = run["custom"].seen
    sgd.step(run)
    assert (layer.moved, layer.mean) == (1, seen)
    sgd.step(g.forward(x=X, t=T).backward())  # no training sweep, so nothing was seen
    assert layer.moved == 1


def test_promise_05_what_an_unfinished_sweep_saw_is_not_taken_over():
    g = around(Running())
    run = mg.Run(g, training=True).forward(x=X, t=T)
    with pytest.raises(NotComputedError):
        mg.SGD(0.1).step(run)
    assert g["custom"].layer.moved == 0


def test_each_use_of_a_shared_layer_takes_over_what_it_saw():
    g = mg.Graph(seed=0)
    running = Running()
    g.cost(Quadratic(), g.input("x", 3) >> running >> Dense(3) >> running)
    run = g.forward(x=X, t=X, training=True).backward()
    seen = run["running"].seen + run["running_1"].seen
    mg.SGD(0.1).step(run)
    assert running.moved == 2
    assert running.mean == pytest.approx(seen)


# ---- attributes and buffers ----


def recorder(forward):
    g = around(custom(forward=forward))
    return g, g.forward(x=X, t=T)


def test_what_was_never_set_reads_none_and_what_was_set_is_there_in_the_next_sweep():
    kept = []

    def forward(self, at, x):
        kept.append((at.mine, at.m, at.training))
        at.mine = np.multiply(x, 2.0, out=at.mine)
        return at.mine

    g, run = recorder(forward)
    run.forward(x=X, t=T)
    assert kept[0] == (None, 4, False)
    assert kept[1][0] is run.swept().records[g["custom"]].mine


def test_a_buffer_is_the_same_in_each_sweep_and_zero_where_asked():
    kept = []

    def forward(self, at, x):
        at.sum = at.buffer("sum", x.shape, zero=True)
        scratch = at.buffer("scratch", (2, 2))
        kept.append((at.sum, scratch, at.sum.copy(), at.buffer("scratch", (3,)) is scratch))
        at.sum += x
        return at.sum

    g, run = recorder(forward)
    run.forward(x=X, t=T)
    (sum1, _, zero1, other), (sum2, _, zero2, _) = kept
    assert sum1 is sum2
    assert sum1.dtype == g.dtype
    assert not zero1.any()
    assert not zero2.any()
    assert not other
    assert np.array_equal(run["custom"].a, run["h"].a)


def test_buffers_have_the_dtype_of_the_graph():
    g = around(custom(forward=lambda self, at, x: np.add(x, 1.0, out=at.buffer("out", x.shape))), dtype="float32")
    assert g.forward(x=X, t=T)["custom"].a.dtype == np.float32
