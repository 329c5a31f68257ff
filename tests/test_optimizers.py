"""Optimizers: their rules number by number, PyTorch's numbers, groups, clipping, accumulation, copies."""

import copy
import gc
import itertools
import math
import pickle
import weakref
from dataclasses import dataclass

import numpy as np
import pytest

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.errors import GraphError, NotComputedError, StaleError
from minigraph.layers import Dense, Identity
from minigraph.optimizers import SGD, AdaGrad, Adam, AdamW, Optimizer, RMSprop
from minigraph.optimizers.bundle import PIECE
from minigraph.schedules import Cosine, Plateau, Step

RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(23, 4)), RNG.normal(size=(23, 2))


def net(**options):
    return mg.Sequential(4, Dense(5, "tanh"), Dense(2), cost=Quadratic(), seed=1, **options)


def values(g):
    return [p.value.copy() for p in g.params.values()]


def same(one, other, rtol=0.0):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


def swept(g, rows=slice(None)):
    return g.forward(x=X[rows], t=T[rows]).backward()


def train(g, optimizer, steps=5, **sweep):
    run = mg.Run(g, training=True)
    for _ in range(steps):
        optimizer.step(run.forward(x=X, t=T).backward(**sweep))


# ---- the rules, for one number w with gradient g in step t; s is what is kept of it ----


def sgd(w, g, t, s, *, lr, momentum=0.0, nesterov=False, weight_decay=0.0):
    g += weight_decay * w
    s["v"] = momentum * s["v"] + g if t > 1 else g
    return w - lr * (g + momentum * s["v"] if nesterov else s["v"])


def adagrad(w, g, t, s, *, lr=0.01, lr_decay=0.0, eps=1e-10, weight_decay=0.0):
    g += weight_decay * w
    s["squares"] = [*s.get("squares", []), g * g]
    return w - lr / (1 + (t - 1) * lr_decay) * g / (math.sqrt(math.fsum(s["squares"])) + eps)


def rmsprop(w, g, t, s, *, lr=0.01, alpha=0.99, eps=1e-8, momentum=0.0, centered=False, weight_decay=0.0):
    s["gs"] = gs = [*s.get("gs", []), g + weight_decay * w]
    weights = [(1 - alpha) * alpha ** (t - i) for i in range(1, t + 1)]
    mean = math.fsum(weight * g for weight, g in zip(weights, gs, strict=True)) if centered else 0.0
    variance = math.fsum(weight * g * g for weight, g in zip(weights, gs, strict=True)) - mean * mean
    s["v"] = momentum * s.get("v", 0.0) + gs[-1] / (math.sqrt(variance) + eps)
    return w - lr * s["v"]


def adam(w, g, t, s, *, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, apart=False):
    s["gs"] = gs = [*s.get("gs", []), g if apart else g + weight_decay * w]
    m, v = (
        math.fsum((1 - beta) * beta ** (t - i) * g**power for i, g in enumerate(gs, 1)) / (1 - beta**t)
        for power, beta in enumerate(betas, 1)
    )
    return (w * (1 - lr * weight_decay) if apart else w) - lr * m / (math.sqrt(v) + eps)


def adamw(w, g, t, s, *, weight_decay=0.01, **options):
    return adam(w, g, t, s, weight_decay=weight_decay, apart=True, **options)


ROWS = {
    "SGD": (SGD, sgd, {"lr": 0.3}),
    "SGD momentum": (SGD, sgd, {"lr": 0.3, "momentum": 0.9}),
    "SGD decay": (SGD, sgd, {"lr": 0.3, "weight_decay": 0.1}),
    "SGD momentum decay": (SGD, sgd, {"lr": 0.3, "momentum": 0.5, "weight_decay": 0.2}),
    "SGD nesterov": (SGD, sgd, {"lr": 0.2, "momentum": 0.8, "nesterov": True}),
    "SGD nesterov decay": (SGD, sgd, {"lr": 0.2, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1}),
    "AdaGrad": (AdaGrad, adagrad, {}),
    "AdaGrad all": (AdaGrad, adagrad, {"lr": 0.1, "lr_decay": 0.3, "eps": 0.05, "weight_decay": 0.2}),
    "RMSprop": (RMSprop, rmsprop, {}),
    "RMSprop momentum": (RMSprop, rmsprop, {"lr": 0.02, "alpha": 0.7, "momentum": 0.9}),
    "RMSprop centered": (RMSprop, rmsprop, {"alpha": 0.9, "centered": True, "eps": 0.01}),
    "RMSprop all": (
        RMSprop,
        rmsprop,
        {"lr": 0.02, "alpha": 0.8, "eps": 0.1, "momentum": 0.5, "centered": True, "weight_decay": 0.2},
    ),
    "Adam": (Adam, adam, {}),
    "Adam all": (Adam, adam, {"lr": 0.05, "betas": (0.7, 0.8), "eps": 0.1, "weight_decay": 0.2}),
    "Adam without means": (Adam, adam, {"lr": 0.05, "betas": (0.0, 0.0)}),
    "AdamW": (AdamW, adamw, {}),
    "AdamW all": (AdamW, adamw, {"lr": 0.05, "betas": (0.7, 0.8), "eps": 0.1, "weight_decay": 0.5}),
}
KINDS = {
    "SGD": lambda **o: SGD(0.3, momentum=0.9, weight_decay=0.1, **o),
    "AdaGrad": lambda **o: AdaGrad(0.1, lr_decay=0.1, weight_decay=0.1, **o),
    "RMSprop": lambda **o: RMSprop(0.1, momentum=0.5, weight_decay=0.1, centered=True, **o),
    "Adam": lambda **o: Adam(0.1, weight_decay=0.1, **o),
    "AdamW": lambda **o: AdamW(0.1, weight_decay=0.1, **o),
}
every_row = pytest.mark.parametrize(("kind", "rule", "options"), ROWS.values(), ids=ROWS)
every_kind = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)


def by_hand(g, rule, options, steps=5, change=lambda grads: grads):
    kept = {name: [{} for _ in range(p.size)] for name, p in g.params.items()}
    for t in range(1, steps + 1):
        run = swept(g)
        for (name, p), grad in zip(g.params.items(), change([run.grad(p) for p in g.params.values()]), strict=True):
            numbers = zip(p.value.ravel().tolist(), grad.ravel().tolist(), kept[name], strict=True)
            p.value = np.reshape([rule(w, d, t, s, **options) for w, d, s in numbers], p.shape)
    return values(g)


@every_row
def test_five_steps_equal_the_rule_written_out(kind, rule, options):
    g = net()
    train(g, kind(**options))
    same(values(g), by_hand(net(), rule, options), 1e-11)


@every_row
def test_float32_stays_float32(kind, rule, options):
    g, optimizer = net(dtype="float32"), kind(**options)
    train(g, optimizer)
    double = net(dtype="float32").copy("float64")
    same(values(g), by_hand(double, rule, options), 2e-4)
    assert {value.dtype.name for value in values(g)} == {"float32"}
    for bundle in optimizer._layout.bundles:
        arrays = [bundle.g, *bundle.state.values(), *bundle._scratch.values()]
        assert {array.dtype.name for array in arrays} == {"float32"}


def pytorchs(kind, options, steps=5, clip=lambda torch, theirs: None, groups=None):
    """The weights after some steps of PyTorch, of its own graph."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    theirs = [torch.nn.Parameter(torch.tensor(value)) for value in values(net())]
    its = {"AdaGrad": "Adagrad"}.get(kind.__name__, kind.__name__)
    optimizer = getattr(torch.optim, its)(groups(theirs) if groups else theirs, **options)
    for _ in range(steps):
        optimizer.zero_grad()
        w1, b1, w2, b2 = theirs
        out = torch.tanh(torch.tensor(X) @ w1.T + b1) @ w2.T + b2
        (0.5 * ((out - torch.tensor(T)) ** 2).sum() / len(X)).backward()
        clip(torch, theirs)
        optimizer.step()
    return [p.detach().numpy() for p in theirs]


@every_row
def test_five_steps_equal_pytorchs(kind, rule, options):
    g = net()
    train(g, kind(**options))
    same(values(g), pytorchs(kind, options), 1e-9)


def test_defaults_are_pytorchs():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    param = [torch.nn.Parameter(torch.zeros(1))]
    for kind, its in [
        (AdaGrad, torch.optim.Adagrad),
        (RMSprop, torch.optim.RMSprop),
        (Adam, torch.optim.Adam),
        (AdamW, torch.optim.AdamW),
    ]:
        theirs = its(param).defaults
        ours = {k: v for k, v in vars(kind()).items() if k in theirs}
        assert len(ours) >= 4
        assert ours == {name: theirs[name] for name in ours}


# ---- which Params move ----


def test_shared_weights_move_by_the_sum_over_uses():
    g = mg.Graph(seed=0)
    x, first, tower = g.input("x", 4), Dense(4), Dense(4, "tanh")
    g.cost(Quadratic(), x >> first >> tower >> tower >> tower)
    for optimizer, rate in ((SGD(0.5), 0.5), (SGD(0.5, clip_value=1e9), 0.5), (SGD(0.5, groups={"*.w": {"lr": 2}}), 2)):
        run = g.forward(x=X, t=RNG.normal(size=(23, 4))).backward()
        expected = tower.w.value - rate * sum(run.grad(tower.w, per="use").values())
        single = first.w.value - rate * run.grad(first.w)
        optimizer.step(run)
        np.testing.assert_allclose(tower.w.value, expected, rtol=1e-13)
        np.testing.assert_allclose(first.w.value, single, rtol=1e-13)


def branches():
    """Two heads, each with a cost, and a frozen layer below."""
    g = mg.Graph(seed=0)
    x = g.input("x", 4)
    h = x >> Dense(3, name="below", frozen=True) >> Dense(3, "tanh", name="trunk")
    g.cost(Quadratic(), h >> Dense(2, name="one"), target="t", name="c1")
    g.cost(Quadratic(), h >> Dense(2, name="two"), target="t", name="c2")
    return g


@every_kind
def test_params_without_gradient_stay_and_keep_their_state(make):
    g, twin = branches(), branches()
    optimizer, others = make(), {name: make(params=name) for name in twin.params}
    run, other = mg.Run(g), mg.Run(twin)
    for turn, source in enumerate(["c1", "c1", "c2", None, "c1", "c2", "c2", None]):
        if turn == 4:
            g["below"].layer.frozen = twin["below"].layer.frozen = False
        seeds = {"c1": None, "c2": None} if source is None else {source: None}
        before = dict(zip(g.params, values(g), strict=True))
        optimizer.step(run.forward(x=X, t=T).backward(seeds))
        other.forward(x=X, t=T).backward(seeds)
        for name, param in twin.params.items():
            moves = not (name.startswith("below") and turn < 4)
            moves = moves and not (source == "c1" and name.startswith("two"))
            moves = moves and not (source == "c2" and name.startswith("one"))
            if moves:
                others[name].step(other)
            assert (param.value != dict(zip(g.params, before.values(), strict=True))[name]).any() == moves
        same(values(g), values(twin), 1e-12)


def test_weights_stay_in_their_arrays_and_say_that_they_changed():
    g = net()
    arrays = [p.value for p in g.params.values()]
    versions = [p.version for p in g.params.values()]
    run = swept(g)
    Adam().step(run)
    assert all(p.value is array for p, array in zip(g.params.values(), arrays, strict=True))
    assert all(p.version > version for p, version in zip(g.params.values(), versions, strict=True))
    with pytest.raises(StaleError, match="changed"):
        run.backward()


# ---- one step a sweep ----


@every_kind
def test_a_step_needs_a_backward_sweep(make):
    run = net().forward(x=X, t=T)
    for act in (make().step, make().accumulate):
        with pytest.raises(NotComputedError, match=r"call run\.backward"):
            act(run)


@every_kind
def test_a_second_step_by_the_same_sweep_is_refused(make):
    g, optimizer = net(), make()
    runs = [swept(g), swept(g)]
    for run in runs:
        optimizer.step(run)
    once = values(g)
    for run, act in itertools.product(runs, (optimizer.step, optimizer.accumulate)):
        with pytest.raises(StaleError, match="took its step for this sweep already"):
            act(run)
    same(values(g), once)
    assert optimizer.taken == 2
    optimizer.step(runs[0].forward(x=X, t=T).backward())
    assert optimizer.taken == 3


def test_runs_die_with_their_last_reference():
    g, optimizer = net(), Adam()
    gc.collect()
    gc.disable()
    try:
        run = swept(g)
        optimizer.step(run)
        dead = weakref.ref(run.trained())
        del run
        assert dead() is None
        dead = weakref.ref(optimizer)
        del optimizer
        assert dead() is None
    finally:
        gc.enable()


# ---- parts of a graph ----


def test_two_optimizers_share_a_sweep_and_its_old_weights():
    g, twin = net(), net()
    one, two = SGD(0.5, params="dense.*"), Adam(0.1, params=["dense_1.w", "dense_1.b"])
    both = Adam(0.1, params="dense_1.*"), SGD(0.5, params=list(twin.params.values())[:2])
    for _ in range(3):
        run, other = swept(g), swept(twin)
        one.step(run)
        two.step(run)
        with pytest.raises(StaleError, match="took its step"):
            one.step(run)
        for optimizer in both:
            optimizer.step(other)
        same(values(g), values(twin))
    reference = net()
    by_hand_part = [by_hand(reference, sgd, {"lr": 0.5}, 1)[0], by_hand(net(), adam, {"lr": 0.1}, 1)[2]]
    first = net()
    run = swept(first)
    SGD(0.5, params="dense.*").step(run)
    same(values(first)[2:], values(net())[2:])
    Adam(0.1, params="dense_1.*").step(run)
    same([values(first)[0], values(first)[2]], by_hand_part, 1e-11)


def test_moves_of_optimizers_that_share_params_add_up():
    g = net()
    before, run = values(g), swept(g)
    grads = [run.grad(p) for p in g.params.values()]
    SGD(0.5).step(run)
    SGD(0.25, params="*.w").step(run)
    rates = [0.75, 0.5, 0.75, 0.5]
    same(values(g), [w - rate * d for w, rate, d in zip(before, rates, grads, strict=True)], 1e-13)


@dataclass(eq=False)
class Running(Identity):
    """Counts how often it takes over what it saw."""

    moved: int = 0

    def commit(self, at):
        self.moved += 1


def test_running_statistics_move_once_whatever_the_number_of_optimizers():
    running = Running()
    g = mg.Sequential(4, Dense(4), running, Dense(2), cost=Quadratic(), seed=0)
    run = mg.Run(g, training=True)
    optimizers = [SGD(0.1, params="dense.*"), Adam(params="dense_1.*")]
    for count in (1, 2):
        run.forward(x=X, t=T).backward()
        for optimizer in optimizers:
            optimizer.step(run)
        assert running.moved == count
    run.forward(x=X, t=T).backward()
    for optimizer in optimizers:
        optimizer.accumulate(run)
    assert running.moved == 3
    for optimizer in optimizers:
        optimizer.step()
    assert running.moved == 3


@pytest.mark.parametrize(
    ("params", "moved"),
    [
        (None, [0, 1, 2, 3]),
        ("dense.?", [0, 1]),
        ("*.b", [1, 3]),
        (["*_1.w", "dense.b"], [1, 2]),
        ((pattern for pattern in ["dense_1.w"]), [2]),
        ({"dense.w", "DENSE.w", "dense.w*"} - {"DENSE.w"}, [0]),
    ],
)
def test_params_by_patterns_of_names(params, moved):
    g = net()
    before, optimizer = values(g), SGD(0.1, momentum=0.9, weight_decay=0.1, params=params)
    for _ in range(2):
        optimizer.step(swept(g))
    changed = [i for i, (a, b) in enumerate(zip(before, values(g), strict=True)) if (a != b).any()]
    assert changed == moved


def test_names_with_brackets_mean_themselves():
    g = mg.Graph(seed=0)
    layer = Dense(2, name="h[1]")
    g.cost(Quadratic(), g.input("x", 4) >> layer)
    run, before = swept(g), values(g)
    SGD(0.1, params="h[1].w").step(run)
    assert [(a != b).any() for a, b in zip(before, values(g), strict=True)] == [True, False]


@pytest.mark.parametrize("name", ["nothing.*", "Dense.w", "dense", ""])
def test_a_pattern_that_nothing_matches_is_refused(name):
    for options in ({"params": ["*.w", name]}, {"groups": {"*": {}, name: {"lr": 0.1}}}):
        g, optimizer = net(), SGD(0.1, **options)
        before, run = values(g), swept(g)
        with pytest.raises(GraphError, match=r"means no Param of graph 'sequential', which has dense\.w, dense\.b"):
            optimizer.step(run)
        same(before, values(g))
    with pytest.raises(GraphError, match="means no Param of graph"):
        SGD(0.1, params=net().params.values()).step(swept(net()))


# ---- groups ----


OPTIONS = {"lr": 0.05, "betas": (0.7, 0.8), "weight_decay": 0.3}
GROUPS = {"*.b": {"weight_decay": 0, "lr": 0.02}, "dense_1.*": {"betas": [0.5, 0.6], "eps": 0.1}, "*": {}}


def test_groups_have_options_of_their_own_and_the_first_match_counts():
    g = net()
    train(g, Adam(groups=GROUPS, **OPTIONS))
    rules = [{}, GROUPS["*.b"], GROUPS["dense_1.*"], GROUPS["*.b"]]
    same(values(g), by_hand_each(net(), adam, [{**OPTIONS, **rule} for rule in rules]), 1e-11)


def test_groups_equal_pytorchs():
    def groups(p):
        return [
            {"params": [p[0]]},
            {"params": [p[1], p[3]], "weight_decay": 0, "lr": 0.02},
            {"params": [p[2]], "betas": (0.5, 0.6), "eps": 0.1},
        ]

    g = net()
    train(g, Adam(groups=GROUPS, **OPTIONS))
    same(values(g), pytorchs(Adam, OPTIONS, groups=groups), 1e-9)


def by_hand_each(g, rule, options):
    """By hand, with options for each Param."""
    turn = itertools.cycle([o for o, p in zip(options, g.params.values(), strict=True) for _ in range(p.size)])
    return by_hand(g, lambda w, d, t, s: rule(w, d, t, s, **next(turn)), {})


@every_kind
def test_many_groups_equal_one_if_their_options_are_the_same(make):
    one, other = net(), net()
    train(one, make())
    train(other, make(groups={"*_1.w": {}, "*.w": {"weight_decay": 0.1}, "dense.b": {}}))
    same(values(one), values(other), 1e-13)


def test_options_changed_in_between_reach_the_groups_too():
    g, twin = net(), net()
    one = SGD(0.1, momentum=0.5, groups={"*.b": {"momentum": 0.0}})
    other = SGD(0.1, momentum=0.5, groups={"*.b": {"momentum": 0.0, "lr": lambda n: 0.1 if n < 2 else 0.7}})
    train(g, one, 2)
    train(twin, other, 2)
    one.lr = other.lr = 0.7
    train(g, one, 2)
    train(twin, other, 2)
    same(values(g), values(twin))


# ---- clipping ----


def clipped(grads, value=math.inf, norm=math.inf):
    """By loops over single numbers."""
    numbers = [[min(max(d, -value), value) for d in grad.ravel().tolist()] for grad in grads]
    total = math.sqrt(math.fsum(d * d for grad in numbers for d in grad))
    factor = min(1.0, norm / (total + 1e-6))
    return [np.reshape([d * factor for d in flat], grad.shape) for flat, grad in zip(numbers, grads, strict=True)]


@pytest.mark.parametrize(
    "clip", [{"value": 0.1}, {"norm": 0.5}, {"norm": 1e9}, {"value": 0.2, "norm": 0.6}, {"norm": 1e-6}]
)
@pytest.mark.parametrize("row", ["SGD", "SGD momentum decay", "Adam all"])
def test_clipping_by_hand(row, clip):
    kind, rule, options = ROWS[row]
    for groups in (None, {"*.b": {}}):
        g = net()
        train(g, kind(groups=groups, **options, **{f"clip_{name}": bound for name, bound in clip.items()}))
        same(values(g), by_hand(net(), rule, options, change=lambda grads: clipped(grads, **clip)), 1e-11)


@pytest.mark.parametrize("row", ["SGD", "SGD momentum decay", "AdamW all"])
def test_clipping_equals_pytorchs(row):
    kind, _, options = ROWS[row]
    for ours, theirs in [
        ({"clip_value": 0.1}, lambda torch, params: torch.nn.utils.clip_grad_value_(params, 0.1)),
        ({"clip_norm": 0.5}, lambda torch, params: torch.nn.utils.clip_grad_norm_(params, 0.5)),
    ]:
        g = net()
        train(g, kind(**options, **ours))
        same(values(g), pytorchs(kind, options, clip=theirs), 1e-9)


def test_the_norm_is_that_of_this_optimizers_params_alone():
    g = net()
    run, before = swept(g), values(g)
    grads = clipped([run.grad(p) for p in list(g.params.values())[:2]], norm=0.1)
    SGD(1.0, params="dense.*", clip_norm=0.1).step(run)
    same(values(g), [before[0] - grads[0], before[1] - grads[1], *before[2:]], 1e-13)


def test_huge_gradients_are_clipped_in_float32_too():
    g = mg.Sequential(2, Dense(1, bias=False), cost=Quadratic(), seed=0, dtype="float32")
    run, before = g.forward(x=[[3e18, 4e18]], t=[[0.0]]), values(g)[0]
    run.backward("dense", [[10.0]])
    SGD(1.0, clip_norm=1.0).step(run)
    np.testing.assert_allclose(before - values(g)[0], [[0.6, 0.8]], rtol=1e-6)


def test_gradients_that_are_no_numbers_are_not_hidden():
    for options, where in [
        ({}, [False, True]),
        ({"clip_value": 0.1}, [False, True]),
        ({"clip_norm": 0.1}, [True, True]),
    ]:
        g = mg.Sequential(2, Dense(1, bias=False), cost=Quadratic(), seed=0)
        run = g.forward(x=[[1.0, math.nan]], t=[[0.0]])
        run.backward("dense", [[1.0]])
        SGD(1.0, **options).step(run)
        assert np.isnan(values(g)[0]).tolist() == [where]


def test_a_variance_that_rounding_makes_negative_counts_as_zero():
    g = mg.Sequential(1, Dense(3, bias=False), cost=Quadratic(), seed=0)
    run, optimizer = mg.Run(g), RMSprop(1e-12, centered=True, alpha=0.5)
    for _ in range(200):
        run.forward(x=[[1.0]], t=[[0.0, 0, 0]]).backward("dense", [[0.1, 0.3, 0.7]])
        optimizer.step(run)
    assert np.isfinite(values(g)[0]).all()


# ---- the learning rate ----


def test_a_schedule_gives_the_rate_of_each_step():
    for lr in (Cosine(0.4, 6, warmup=2), lambda n: 0.4 / (n + 1), Step(0.4, 2)):
        g, twin = net(), net()
        optimizer, groups = SGD(lr), SGD(0.0, groups={"*": {"lr": lr}})
        for n in range(5):
            assert optimizer.rate == lr(n)
            run = swept(g)
            expected = [p.value - lr(n) * run.grad(p) for p in g.params.values()]
            optimizer.step(run)
            same(values(g), expected, 1e-14)
            groups.step(swept(twin))
            same(values(twin), expected, 1e-14)


def test_a_schedule_may_end_at_nothing():
    g, optimizer = net(), SGD(Cosine(0.4, 1))
    train(g, optimizer, 1)
    before = values(g)
    train(g, optimizer, 2)
    assert optimizer.rate == 0.0
    same(values(g), before)


def test_a_schedule_by_epochs_waits_for_them():
    optimizer, g = SGD(Step(1.0, 1, 0.5, per="epoch")), net()
    rates = []
    for _ in range(3):
        for _ in range(2):
            rates.append(optimizer.rate)
            optimizer.step(swept(g))
        optimizer.epoch_ended(1.0)
    assert rates == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    assert (optimizer.taken, optimizer.epochs) == (6, 3)


def test_a_plateau_is_copied_and_told_the_costs():
    plateau = Plateau(1.0, factor=0.5, patience=0)
    one, other = SGD(plateau), SGD(3.0, groups={"*.b": {"lr": plateau}, "*.w": {"lr": plateau}})
    for cost in (1.0, 2.0, 2.0):
        one.epoch_ended(cost)
    assert one.rate == 0.25
    assert plateau(0) == 1.0
    other.epoch_ended(1.0)
    other.epoch_ended(1.0)
    g = net()
    run = swept(g)
    expected = [p.value - 0.5 * run.grad(p) for p in g.params.values()]
    other.step(run)
    same(values(g), expected, 1e-14)
    assert plateau.best == math.inf


@pytest.mark.parametrize("rate", [-0.1, math.nan, math.inf, "0.1", True, None])
def test_a_schedule_gives_rates_that_mean_something(rate):
    for optimizer in (SGD(lambda n: rate), SGD(0.1, groups={"dense_1.b": {"lr": lambda n: rate}})):
        g = net()
        before = values(g)
        with pytest.raises(GraphError, match=r"finite rate of 0 or more, .* gave"):
            optimizer.step(swept(g))
        same(values(g), before)


# ---- accumulation ----


@every_kind
def test_parts_of_a_batch_add_up_to_the_batch(make):
    for options in ({}, {"clip_norm": 0.3, "clip_value": 0.2}, {"groups": {"*.b": {"lr": 0.01}}, "params": "dense*"}):
        g, twin = net(), net()
        parts, whole = make(**options), make(**options)
        run = mg.Run(g)
        for cuts in ([0, 23], [0, 20, 23], [0, 1, 9, 23]):
            before = values(g)
            for start, end in itertools.pairwise(cuts):
                same(values(g), before)
                parts.accumulate(run.forward(x=X[start:end], t=T[start:end]).backward())
            parts.step()
            whole.step(swept(twin))
            same(values(g), values(twin), 1e-12)
        assert parts.taken == whole.taken == 3
        parts.step(swept(g))
        whole.step(swept(twin))
        same(values(g), values(twin), 1e-12)


@every_kind
def test_parts_with_different_params_count_all_examples(make):
    g, optimizer, only = branches(), make(), SGD(1.0)
    for seeds in ({"c1": None}, {"c2": None}, {"c1": None}):
        for o in (optimizer, only):
            run = g.forward(x=X, t=T).backward(seeds)
            o.accumulate(run)
    run = g.forward(x=X, t=T).backward()
    grads = {name: run.grad(p) for name, p in g.params.items() if not name.startswith("below")}
    before = dict(zip(g.params, values(g), strict=True))
    alone = [g.forward(x=X, t=T).backward({cost: None}).grad(g["trunk"].layer.w) for cost in ("c1", "c2")]
    only.step()
    after = dict(zip(g.params, values(g), strict=True))
    np.testing.assert_allclose(after["one.w"], before["one.w"] - grads["one.w"] * 2 / 3, rtol=1e-12)
    np.testing.assert_allclose(after["two.b"], before["two.b"] - grads["two.b"] / 3, rtol=1e-12)
    np.testing.assert_allclose(after["trunk.w"], before["trunk.w"] - (2 * alone[0] + alone[1]) / 3, rtol=1e-12)
    same([after["below.w"]], [before["below.w"]])
    optimizer.step()
    # and then a step by one head leaves the other one where it is
    optimizer.accumulate(g.forward(x=X, t=T).backward({"c1": None}))
    before = dict(zip(g.params, values(g), strict=True))
    optimizer.step()
    moved = [name for name, p in g.params.items() if (p.value != before[name]).any()]
    assert moved == ["trunk.w", "trunk.b", "one.w", "one.b"]
    optimizer.step(g.forward(x=X, t=T).backward({"c2": None}))
    assert {name for name, p in g.params.items() if (p.value != before[name]).any()} == set(grads)


def test_a_step_after_parts_of_other_params_moves_its_own_alone():
    g, optimizer = branches(), SGD(0.1, momentum=0.9)
    one, two = mg.Run(g), mg.Run(g)
    for _ in range(2):
        for run, cost in ((one, "c1"), (two, "c2"), (one, "c1"), (two, "c2")):
            optimizer.accumulate(run.forward(x=X, t=T).backward({cost: None}))
        optimizer.step()
        for run, cost, head in ((one, "c1", "one"), (two, "c2", "two")):
            before = dict(zip(g.params, values(g), strict=True))
            optimizer.step(run.forward(x=X, t=T).backward({cost: None}))
            moved = [name for name, p in g.params.items() if (p.value != before[name]).any()]
            assert moved == ["trunk.w", "trunk.b", f"{head}.w", f"{head}.b"]


def test_accumulated_gradients_wait_for_their_step():
    g, optimizer = net(), SGD(0.1)
    with pytest.raises(NotComputedError, match="no gradients are accumulated"):
        optimizer.step()
    before = values(g)
    optimizer.accumulate(swept(g))
    with pytest.raises(StaleError, match="wait for a step"):
        optimizer.step(swept(g))
    optimizer.discard()
    with pytest.raises(NotComputedError, match="no gradients are accumulated"):
        optimizer.step()
    same(values(g), before)
    run = swept(g, slice(0, 5))
    expected = [p.value - 0.1 * run.grad(p) for p in g.params.values()]
    optimizer.accumulate(run)
    optimizer.step()
    same(values(g), expected, 1e-14)
    with pytest.raises(NotComputedError, match="no gradients are accumulated"):
        optimizer.step()


# ---- copies ----


@pytest.mark.parametrize("way", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))], ids=["copy", "pickle"])
@every_kind
def test_a_copied_optimizer_goes_on_with_the_copied_graph(make, way):
    g, optimizer = net(), make(groups={"*.b": {"weight_decay": 0.2}})
    train(g, optimizer, 3)
    optimizer.accumulate(swept(g, slice(0, 9)))
    twin, other = way((g, optimizer))
    before = values(g)
    for graph, o in ((twin, other), (g, optimizer)):
        if graph is g:
            same(values(g), before)
        o.accumulate(swept(graph, slice(9, 23)))
        o.step()
        train(graph, o, 2)
    same(values(g), values(twin))
    assert (values(g)[0] != before[0]).any()
    assert optimizer.taken == other.taken == 6
    assert set(other._layout.homes) == set(twin.params.values())


def test_a_fresh_optimizer_is_copied_too():
    g = net()
    twin, optimizer = pickle.loads(pickle.dumps((g, Adam(Plateau(0.1)))))
    for o in (optimizer, copy.copy(optimizer)):
        o.step(swept(twin))
    assert (values(twin)[0] != values(g)[0]).any()


def test_a_shallow_copy_has_means_of_its_own():
    g = net()
    optimizer = Adam()
    train(g, optimizer, 2)
    twin, other = copy.deepcopy((g, optimizer))
    shallow = copy.copy(optimizer)
    optimizer.step(g.forward(x=9 * X, t=T).backward())
    for p, q in zip(g.params.values(), twin.params.values(), strict=True):
        p.value = q.value
    shallow.step(swept(g))
    other.step(swept(twin))
    same(values(g), values(twin))


# ---- how ----


def test_gradients_come_in_by_few_calls_prepared_once():
    deep = mg.Sequential(4, *[Dense(4, "tanh") for _ in range(30)], Dense(2), cost=Quadratic(), seed=0)
    for options, calls in [({}, [1]), ({"params": ["dense.*", "dense_1.*", "dense_9.*"]}, [2])]:
        optimizer, run = Adam(**options), mg.Run(deep)
        ways = []
        for _ in range(2):
            optimizer.step(run.forward(x=X, t=T).backward())
            ways.append(optimizer._intakes[run.trained()])
        assert ways[0] is ways[1]
        assert [len(shares._first) for _, shares in ways[0].ways_in] == calls
        assert not any(shares._more for _, shares in ways[0].ways_in)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_plain_descent_moves_all_weights_by_few_calls(dtype):
    rng = np.random.default_rng(0)
    g = mg.Sequential(4, *[Dense(40, "tanh") for _ in range(60)], Dense(2), cost=Quadratic(), seed=0, dtype=dtype)
    optimizer, run = SGD(0.1), mg.Run(g)
    for _ in range(4):
        run.forward(x=rng.normal(size=(5, 4)), t=rng.normal(size=(5, 2))).backward()
        expected = {name: p.value - p.dtype.type(0.1) * run.grad(p) for name, p in g.params.items()}
        optimizer.step(run)
        for name, p in g.params.items():
            np.testing.assert_allclose(p.value, expected[name], rtol=0, atol=1e-7 if dtype == "float32" else 1e-15)
    (_, shares), *others = optimizer._intakes[run.trained()].ways_in
    assert not others
    assert sum(w.size for *_, w in shares._pieces) == sum(p.size for p in g.params.values())
    assert 1 < len(shares._pieces) < 20
    assert all(share.size <= PIECE for share, *_ in shares._pieces)
    loose = g.copy()  # its Params lie anywhere
    again = SGD(0.1)
    again.step(loose.forward(x=np.ones((5, 4)), t=np.ones((5, 2))).backward())
    optimizer.step(g.forward(x=np.ones((5, 4)), t=np.ones((5, 2))).backward())
    same(values(g), values(loose))


# ---- one's own ----


@dataclass(eq=False)
class SignDescent(Optimizer):
    """w ← w − η sign(g) · size."""

    size: float = 2.0

    def move(self, bundle, rate):
        np.sign(bundle.g, out=bundle.g)
        bundle.g *= rate * self.size


def test_an_optimizer_of_ones_own_is_a_move():
    g = net()
    run, before = swept(g), values(g)
    signs = [np.sign(run.grad(p)) for p in g.params.values()]
    SignDescent(0.1, groups={"*.b": {"size": 4.0}}).step(run)
    same(values(g), [w - 0.1 * size * s for w, s, size in zip(before, signs, [2, 4, 2, 4], strict=True)], 1e-14)
    with pytest.raises(NotImplementedError, match="Optimizer has no move"):
        Optimizer(0.1).step(swept(g))


# ---- what is refused ----


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: SGD(lr=-1), "SGD takes a finite lr of 0 or more or a schedule, got lr=-1"),
        (lambda: SGD(lr=math.nan), "SGD takes a finite lr"),
        (lambda: SGD(lr=math.inf), "SGD takes a finite lr"),
        (lambda: SGD(lr="0.1"), "SGD takes a finite lr"),
        (lambda: SGD(lr=True), "SGD takes a finite lr"),
        (lambda: SGD(lr=None), "SGD takes a finite lr"),
        (lambda: SGD(lr=Cosine), "SGD takes a finite lr of 0 or more or a schedule, got lr=<class"),
        (lambda: SGD(1, momentum=-0.1), "SGD takes a finite momentum of 0 or more, got momentum=-0.1"),
        (lambda: SGD(1, weight_decay=math.inf), "finite weight_decay"),
        (lambda: SGD(1, weight_decay=-1), "finite weight_decay"),
        (lambda: SGD(1, nesterov=True), "nesterov=True with a momentum above 0"),
        (lambda: SGD(1, momentum=0.9, nesterov=1e-4), "nesterov as True or False, got nesterov=0.0001"),
        (lambda: AdaGrad(lr_decay=-1), "AdaGrad takes a finite lr_decay"),
        (lambda: AdaGrad(eps=-1e-10), "finite eps"),
        (lambda: AdaGrad(weight_decay=-1), "finite weight_decay"),
        (lambda: RMSprop(alpha=1), "RMSprop takes a finite alpha from 0 to below 1, got alpha=1"),
        (lambda: RMSprop(alpha=-0.1), "finite alpha"),
        (lambda: RMSprop(eps=math.nan), "finite eps"),
        (lambda: RMSprop(momentum=-1), "finite momentum"),
        (lambda: RMSprop(weight_decay=True), "finite weight_decay"),
        (lambda: RMSprop(centered=1), "centered as True or False"),
        (lambda: Adam(betas=(0.9, 1.0)), "Adam takes two betas from 0 to below 1, got betas="),
        (lambda: Adam(betas=(-0.1, 0.9)), "two betas"),
        (lambda: Adam(betas=0.9), "two betas"),
        (lambda: Adam(betas=(0.9,)), "two betas"),
        (lambda: Adam(betas=(0.9, math.nan)), "two betas"),
        (lambda: Adam(betas=(False, 0.9)), "two betas"),
        (lambda: Adam(eps=-1), "finite eps"),
        (lambda: Adam(weight_decay=-1), "finite weight_decay"),
        (lambda: AdamW(weight_decay=-1), "AdamW takes a finite weight_decay"),
        (lambda: AdamW(betas=(2, 2)), "AdamW takes two betas"),
        (lambda: Adam(clip_value=0), "Adam takes a finite number above 0, got clip_value=0"),
        (lambda: Adam(clip_value=-1), "finite clip_value"),
        (lambda: Adam(clip_norm=math.inf), "finite clip_norm"),
        (lambda: Adam(clip_norm=True), "finite clip_norm"),
        (lambda: Adam(params=[]), "Adam takes params as patterns of their names or as Params"),
        (lambda: Adam(params=3), "params as patterns"),
        (lambda: Adam(params=[Dense(3)]), "params as patterns"),
        (lambda: Adam(groups=["*.b"]), "Adam takes groups as"),
        (lambda: Adam(groups={"*.b": 3}), "Adam takes groups as"),
        (lambda: Adam(groups={3: {}}), "Adam takes groups as"),
        (
            lambda: Adam(groups={"*.b": {"momentum": 0.1}}),
            r"no option 'momentum' for the group '\*\.b': it has betas, eps, lr",
        ),
        (lambda: Adam(groups={"*.b": {"clip_norm": 0.1}}), "no option 'clip_norm'"),
        (lambda: Adam(groups={"*.b": {"taken": 1}}), "no option 'taken'"),
        (lambda: Adam(groups={"*.b": {"lr": -1}}), r"finite lr of 0 or more .*got lr=-1 for the group '\*\.b'"),
        (lambda: SGD(1, groups={"*.b": {"nesterov": True}}), "nesterov=True with a momentum above 0"),
    ],
)
def test_options_that_mean_nothing_are_refused(make, fault):
    with pytest.raises(GraphError, match=fault):
        make()


def test_numbers_of_numpy_and_whole_numbers_are_numbers():
    one, other = net(dtype="float32"), net(dtype="float32")
    train(one, Adam(np.float64(1), betas=[np.float32(0.5), 0], weight_decay=np.int64(1), clip_norm=np.float64(3)))
    train(other, Adam(1.0, betas=(0.5, 0.0), weight_decay=1.0, clip_norm=3.0))
    same(values(one), values(other))
    assert {value.dtype.name for value in values(one)} == {"float32"}


def test_any_object_that_observes_hears_of_the_cost():
    class Slotted:
        __slots__ = ("seen",)

        def __call__(self, n):
            return 0.1

        def observe(self, cost):
            self.seen = cost

    def constant(n):
        return 0.1

    heard = []
    constant.observe = heard.append
    slotted = SGD(Slotted())
    for optimizer in (slotted, SGD(constant)):
        optimizer.epoch_ended(2.5)
    assert slotted.lr.seen == 2.5
    assert heard == [2.5]
