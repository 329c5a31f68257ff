"""Schedules: values written out by hand, PyTorch's, and what they refuse."""

import copy
import math

import pytest

from minigraph.errors import GraphError
from minigraph.schedules import Constant, Cosine, OneCycle, Plateau, Schedule, Step

COSTS = [3.0, 2.0, 2.0 - 1e-5, 2.1, 2.2, 1.9, 1.95, 1.9, 1.9, 1.9, 2.0, math.nan, 5.0, 1.0, 1.0, 0.9, 0.89999] + [
    0.9
] * 33


def halves(start, end, part):
    """Half a cosine from start to end, by the half angle."""
    return start + (end - start) * math.sin(part * math.pi / 2) ** 2


def stepped(n, lr=0.5, every=7, factor=0.3):
    for _ in range(n // every):
        lr *= factor
    return lr


def one_cycle(n, steps=50, pct=0.3, peak=0.2, div=25.0, last=1e4):
    top = pct * steps - 1
    if n <= top:
        return halves(peak / div, peak, n / top)
    return halves(peak, peak / div / last, (n - top) / (steps - 1 - top))


BY_HAND = {
    "constant": (Constant(0.3), lambda n: 0.3),
    "step": (Step(0.5, every=7, factor=0.3), stepped),
    "step, default": (Step(2, 10), lambda n: 2.0 * (1, 0.1, 0.01, 0.001, 0.0001)[n // 10]),
    "cosine": (Cosine(0.7, 50), lambda n: halves(0.7, 0.0, n / 50)),
    "cosine to final": (Cosine(0.7, 60, final=0.1), lambda n: halves(0.7, 0.1, n / 60)),
    "cosine after warm-up": (
        Cosine(0.6, 55, final=0.1, warmup=5),
        lambda n: (0.1, 0.2, 0.3, 0.4, 0.5)[n] if n < 5 else halves(0.6, 0.1, (n - 5) / 50),
    ),
    "one cycle": (OneCycle(0.2, 50), one_cycle),
    "one cycle, others": (OneCycle(3, 50, 0.5, 10, 100), lambda n: one_cycle(n, pct=0.5, peak=3, div=10, last=100)),
    "one cycle, all the way up": (OneCycle(0.2, 50, pct_start=1.0), lambda n: one_cycle(n, pct=1.0)),
    "one cycle, all the way down": (OneCycle(0.2, 50, pct_start=0), lambda n: one_cycle(n, pct=0)),
}


@pytest.mark.parametrize(("schedule", "expected"), BY_HAND.values(), ids=BY_HAND)
def test_fifty_rates_by_hand(schedule, expected):
    for n in range(50):
        rate = schedule(n)
        assert type(rate) is float
        assert rate == pytest.approx(expected(n), rel=1e-12, abs=1e-15)


def pytorchs(make, count=50):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))], lr=0.7)
    schedule = make(torch.optim.lr_scheduler, sgd)
    rates = []
    for _ in range(count):
        rates.append(sgd.param_groups[0]["lr"])
        sgd.step()
        schedule.step()
    return rates


BY_TORCH = {
    "step": (Step(0.7, 9), lambda s, o: s.StepLR(o, 9)),
    "step by a factor": (Step(0.7, 4, factor=0.5), lambda s, o: s.StepLR(o, 4, gamma=0.5)),
    "cosine": (Cosine(0.7, 50), lambda s, o: s.CosineAnnealingLR(o, 50)),
    "cosine to final": (Cosine(0.7, 70, final=0.05), lambda s, o: s.CosineAnnealingLR(o, 70, eta_min=0.05)),
    "cosine after warm-up": (
        Cosine(0.7, 60, final=0.05, warmup=10),
        lambda s, o: s.SequentialLR(
            o,
            [
                s.LinearLR(o, start_factor=1 / 11, total_iters=10),
                s.CosineAnnealingLR(o, 50, eta_min=0.05),
            ],
            milestones=[10],
        ),
    ),
    "one cycle": (OneCycle(0.3, 50), lambda s, o: s.OneCycleLR(o, 0.3, total_steps=50, cycle_momentum=False)),
    "one cycle, others": (
        OneCycle(0.3, 64, pct_start=0.55, div_factor=4, final_div_factor=30),
        lambda s, o: s.OneCycleLR(
            o, 0.3, total_steps=64, pct_start=0.55, div_factor=4, final_div_factor=30, cycle_momentum=False
        ),
    ),
}


@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step():UserWarning")
@pytest.mark.parametrize(("schedule", "make"), BY_TORCH.values(), ids=BY_TORCH)
def test_fifty_rates_equal_pytorchs(schedule, make):
    for n, expected in enumerate(pytorchs(make)):
        assert schedule(n) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("options", [{}, {"patience": 2}, {"patience": 0, "factor": 0.5, "minimum": 1e-3}])
def test_a_plateau_equals_pytorchs(options):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.7)
    renamed = {"minimum": "min_lr"}
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(sgd, **{renamed.get(k, k): v for k, v in options.items()})
    ours = Plateau(0.7, **options)
    seen = set()
    for n, cost in enumerate(COSTS):
        assert ours(n) == pytest.approx(sgd.param_groups[0]["lr"], rel=1e-12)
        seen.add(ours(n))
        ours.observe(cost)
        theirs.step(cost)
    assert len(seen) > 2


def test_a_plateau_falls_after_more_than_patience_epochs_that_are_no_better():
    plateau = Plateau(1.0, factor=0.5, patience=2, threshold=0.1, minimum=0.2)
    rates = []
    for cost in [10.0, 9.5, 9.0, 8.9, 8.5, 9.0, 9.0, 9.0, 9.0, math.nan, 9.0, 9.0, 9.0, 9.0]:
        plateau.observe(cost)
        rates.append(plateau(0))
    #       best                   best  1    2    3         1    2    3          1     2    3         at the minimum
    assert rates == [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2]
    assert plateau.best == 8.9


def test_a_plateau_takes_no_steps_that_are_lost_in_rounding():
    plateau = Plateau(1e-7, factor=0.1, patience=0)
    for _ in range(5):
        plateau.observe(1.0)
    assert plateau(0) == pytest.approx(1e-8)
    plateau = Plateau(3e-8, factor=0.5, patience=0)
    for _ in range(5):
        plateau.observe(1.0)
    assert plateau(0) == pytest.approx(1.5e-8)


@pytest.mark.parametrize(
    ("schedule", "last"), [(Cosine(0.7, 20, final=0.1), 0.1), (OneCycle(0.5, 20, 0.3, 5, 2), 0.05)]
)
def test_after_the_last_step_the_rate_stays(schedule, last):
    assert schedule(18) > last
    for n in (20, 21, 30, 10**9):
        assert schedule(n) == pytest.approx(last, rel=1e-12)


def test_the_shortest_cycles():
    assert [OneCycle(1.0, 1)(n) for n in range(3)] == pytest.approx([4e-6] * 3, rel=1e-12)
    assert all(0 <= OneCycle(1.0, steps, pct)(n) <= 1 for steps in (1, 2, 3) for pct in (0, 0.3, 1) for n in range(5))
    assert Cosine(1.0, 1)(0) == 1.0
    assert Cosine(1.0, 2, warmup=1)(0) == 0.5


def test_a_schedule_is_a_value_and_remembers_nothing():
    for make in (lambda: Constant(1), lambda: Step(1, 2), lambda: Cosine(1, 9), lambda: OneCycle(1, 9)):
        one = make()
        rates = [one(n) for n in range(9)]
        assert [one(n) for n in reversed(range(9))] == rates[::-1]
        assert one == make()
        assert hash(one) == hash(copy.deepcopy(one))
        with pytest.raises(AttributeError):
            one.lr = 3


def test_schedules_count_steps_unless_told_otherwise():
    assert Step(1, 2).per == Plateau(1).per == Schedule.per == "step"
    for schedule in (Step(1, 2, per="epoch"), Cosine(1, 2, per="epoch"), OneCycle(1, 2, per="epoch")):
        assert schedule.per == "epoch"
    with pytest.raises(NotImplementedError, match="Schedule has no __call__"):
        Schedule()(0)


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: Constant(-1), "Constant takes a finite lr of 0 or more, got -1"),
        (lambda: Constant(math.nan), "finite lr"),
        (lambda: Constant(True), "finite lr"),
        (lambda: Step("0.1", 2), "finite lr"),
        (lambda: Step(0.1, 0), "Step takes a whole number of 1 or more as every, got 0"),
        (lambda: Step(0.1, 2.0), "as every"),
        (lambda: Step(0.1, True), "as every"),
        (lambda: Step(0.1, 2, factor=-0.1), "finite factor"),
        (lambda: Step(0.1, 2, per="batch"), "per 'step' or per 'epoch', got 'batch'"),
        (lambda: Cosine(math.inf, 5), "finite lr"),
        (lambda: Cosine(1, 0), "as steps"),
        (lambda: Cosine(1, 5, final=-1), "finite final"),
        (lambda: Cosine(1, 5, warmup=-1), "0 or more as warmup"),
        (lambda: Cosine(1, 5, warmup=5), "a warmup shorter than its 5 steps, got 5"),
        (lambda: OneCycle(-1, 5), "finite peak"),
        (lambda: OneCycle(1, 2.5), "as steps"),
        (lambda: OneCycle(1, 5, pct_start=1.1), "pct_start from 0 to 1, got 1.1"),
        (lambda: OneCycle(1, 5, div_factor=0), "numbers above 0"),
        (lambda: OneCycle(1, 5, final_div_factor=0), "numbers above 0"),
        (lambda: Plateau(1, factor=1), "a factor below 1"),
        (lambda: Plateau(1, patience=-1), "0 or more as patience"),
        (lambda: Plateau(1, threshold=math.nan), "finite threshold"),
        (lambda: Plateau(1, minimum=-1), "finite minimum"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(make, fault):
    with pytest.raises(GraphError, match=fault):
        make()
