"""Optimizer: what all optimizers have in common."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ..backward import BackwardSweep
from ..errors import GraphError, NotComputedError, StaleError
from ..gist import gist
from ..graph import Graph
from ..numbers import is_real
from ..param import Param, change
from ..run import Run
from ..schedules import Rate
from .bundle import Bundle, Intake, Layout, Source, clip


@dataclass(eq=False)
class Optimizer:
    """Moves Params by their gradients: w ← w − (what `move` makes of the mean of ∂C_x/∂w over the examples).

    `lr` is a number or a schedule (see minigraph.schedules): a function of the steps taken so far. `params` says which
    Params it moves (all, unless given): a pattern of names in graph.params, "generator/*", several patterns, or Params
    themselves. Several optimizers may each take a step by one sweep: all use gradients of the old weights. `groups`
    gives options to the Params whose names match a pattern, the first that does: {"*.b": {"weight_decay": 0}}.

    Gradients can be clipped as PyTorch's clip_grad_value_ and clip_grad_norm_ do it, before weight decay comes in:
    `clip_value` bounds each element of the mean gradient, then `clip_norm` the norm of all Params' gradients together.

    Params that no path leads from to the cost, and those of frozen layers, stay as they are, without weight decay.
    An optimizer of one's own is a dataclass, `@dataclass(eq=False)`, with a method `move`.
    """

    lr: Rate
    groups: Mapping[str, Mapping[str, Any]] | None = field(default=None, kw_only=True)
    params: str | Param | Iterable[str | Param] | None = field(default=None, kw_only=True)
    clip_value: float | None = field(default=None, kw_only=True)
    clip_norm: float | None = field(default=None, kw_only=True)
    taken: int = field(default=0, init=False, repr=False)
    """How many steps were taken."""
    epochs: int = field(default=0, init=False, repr=False)
    """How many epochs are over."""

    def __post_init__(self) -> None:
        self.given: dict[str, Any] = {option.name: getattr(self, option.name) for option in fields(self) if option.init}
        """The options as they were given."""
        self._layout = Layout()
        self._intakes: WeakKeyDictionary[BackwardSweep, Intake] = WeakKeyDictionary()
        self._intake_before: Intake | None = None
        self.discard()
        self.check()
        for name in ("clip_value", "clip_norm"):
            self._require(name, getattr(self, name) is None or self._amount(name) > 0, "a finite number above 0")
        self._groups = self._checked({} if self.groups is None else self.groups)
        several = [self.params] if isinstance(self.params, (str, Param)) else self.params
        self._wanted = tuple(several) if isinstance(several, Iterable) else ()
        if self.params is not None and not (self._wanted and all(isinstance(w, (str, Param)) for w in self._wanted)):
            kind = type(self).__name__
            raise GraphError(f"{kind} takes params as patterns of their names or as Params, got {self.params!r}")

    # ---- for each kind of optimizer ----

    def move(self, bundle: Bundle, rate: float) -> None:
        """Turn the mean gradients in bundle.g into what is to be subtracted from the weights.

        `rate` is the learning rate of this step. `bundle.kept("v")` is an array like bundle.g that lasts.
        """
        raise NotImplementedError(f"{type(self).__name__} has no move(self, bundle, rate)")

    @property
    def linear(self) -> bool:
        """Whether all that `move` does is multiply by the rate: the same, but cheaper."""
        return False

    def check(self) -> None:
        """Raise GraphError for options that mean nothing; also called for the options of each group."""
        if callable(self.lr) and not isinstance(self.lr, type):
            self.lr = copy.deepcopy(self.lr) if hasattr(self.lr, "observe") else self.lr
        else:
            self._amount("lr", " or a schedule")

    def _amount(self, name: str, alternative: str = "", below: float = math.inf) -> float:
        value = getattr(self, name)
        bound = "of 0 or more" if below == math.inf else f"from 0 to below {below:g}"
        self._require(name, is_real(value) and 0 <= value < below, f"a finite {name} {bound}{alternative}")
        setattr(self, name, float(value))
        return float(value)

    def _flag(self, name: str) -> None:
        self._require(name, isinstance(getattr(self, name), bool), f"{name} as True or False")

    def _require(self, name: str, fine: bool, what: str) -> None:
        if not fine:
            raise GraphError(f"{type(self).__name__} takes {what}, got {name}={getattr(self, name)!r}")

    def _checked(self, groups: Any) -> dict[str, dict[str, Any]]:
        kind = type(self).__name__
        options = {option.name for option in fields(self) if option.init} - {f.name for f in fields(Optimizer)} | {"lr"}
        fine = isinstance(groups, Mapping) and all(isinstance(pattern, str) for pattern in groups)
        if not fine or not all(isinstance(given, Mapping) for given in groups.values()):
            raise GraphError(f'{kind} takes groups as {{"*.b": {{"weight_decay": 0}}}}, got {groups!r}')
        checked = {}
        for pattern, given in groups.items():
            for name in given:
                if name not in options:
                    known = ", ".join(sorted(options))
                    raise GraphError(f"{kind} has no option {name!r} for the group {pattern!r}: it has {known}")
            rule = self._with(given)
            try:
                rule.check()
            except GraphError as fault:
                raise GraphError(f"{fault} for the group {pattern!r}") from None
            checked[pattern] = {name: getattr(rule, name) for name in given}
        return checked

    def _with(self, options: Mapping[str, Any]) -> Optimizer:
        """Itself with other options."""
        rule: Optimizer = object.__new__(type(self))
        rule.__dict__.update(self.__dict__, **options)
        return rule

    # ---- the learning rate ----

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        if type(self.lr) is float:
            return self.lr
        if not callable(self.lr):
            return self._amount("lr")
        rate = self.lr(self.epochs if getattr(self.lr, "per", "step") == "epoch" else self.taken)
        if not is_real(rate) or not 0 <= rate < math.inf:
            raise GraphError(f"a schedule gives a finite rate of 0 or more, {self.lr!r} gave {rate!r}")
        return float(rate)

    def epoch_ended(self, cost: float) -> None:
        """Tell the schedules that an epoch is over, and at what cost (of the validation examples, if there are any)."""
        self.epochs += 1
        for lr in self._rates().values():
            if hasattr(lr, "observe"):
                lr.observe(cost)

    def _rates(self) -> dict[str, Any]:
        return {"lr": self.lr, **{f"lr of {group}": options.get("lr") for group, options in self._groups.items()}}

    def schedules(self) -> dict[str, Any]:
        """The schedules that are objects with attributes, and may remember something."""
        rates = self._rates().items()
        return {name: lr for name, lr in rates if hasattr(lr, "__dict__") and not hasattr(lr, "__code__")}

    # ---- steps ----

    def step(self, run: Run | None = None) -> None:
        """Move every Param that got a gradient in this run, all by gradients of the old weights.

        Without a run: by the mean over all examples of the runs that `accumulate` took in since the last step. Raises
        NotComputedError when the run has not gone backward or nothing is accumulated, StaleError for a second step by
        the same sweep, GraphError for a pattern of names that nothing in the graph matches.
        """
        if run is not None:
            if self._examples:
                raise StaleError("accumulated gradients wait for a step() without a run: take it, or discard() them")
            intake = self._intake(run)
            intake.done = run.clock.sweep
            self._move(intake.ways_in, intake.m)
            run.commit()
        elif self._examples:
            bundles = self._layout.arrange(self._waiting)
            self._move([(bundle, bundle) for bundle in bundles], self._examples)
            self.discard()
        else:
            raise NotComputedError("no gradients are accumulated: call accumulate(run) first, or step(run)")

    def _move(self, ways_in: Sequence[tuple[Bundle, Source]], m: int) -> None:
        rule, rate = self, self.rate
        rules = self._rules()
        clips = self.clip_value is not None or self.clip_norm is not None
        if clips:
            for _, source in ways_in:
                source.take(1.0 / m)
            clip([bundle for bundle, _ in ways_in], self.clip_value, self.clip_norm)
        now = change()
        for bundle, source in ways_in:
            if rules:
                rule, rate = rules[bundle.group]
            if rule.linear and not clips:
                source.descend(rate / m, now)
                continue
            if not clips:
                source.take(1.0 / m)
            bundle.taken += 1
            rule.move(bundle, rate)
            bundle.apply(now)
        self.taken += 1

    def _rules(self) -> dict[str | None, tuple[Optimizer, float]]:
        """Options and learning rate of each group, if there are any."""
        if not self._groups:
            return {}
        each: dict[str | None, Optimizer] = {None: self}
        each.update((pattern, self._with(options)) for pattern, options in self._groups.items())
        return {group: (rule, rule.rate) for group, rule in each.items()}

    def accumulate(self, run: Run) -> None:
        """Take in a run's gradients for a later `step()`, where each example of all runs counts the same.

        Running statistics are taken over now. Raises what `step` raises.
        """
        intake = self._intake(run, more=True)
        intake.done = run.clock.sweep
        for bundle, source in intake.ways_in:
            bundle.g.fill(0)
            source.take(1.0)
            total = bundle.kept("sum")
            np.add(total, bundle.g, out=total)
        self._waiting.update(intake.groups)
        self._examples += intake.m
        run.commit()

    def discard(self) -> None:
        """Forget what was accumulated."""
        self._waiting: dict[Param, str | None] = {}
        self._examples = 0
        for bundle in self._layout.homes.values():
            bundle.state.pop("sum", None)

    def _intake(self, run: Run, more: bool = False) -> Intake:
        """The way from the run's gradients into bundles with just its Params, or with more that wait for a step."""
        if not isinstance(run, Run):
            raise GraphError(f"{type(self).__name__} takes a step by a run that went backward, got {gist(run)}")
        sweep, intake = run.trained(), self._intake_before
        if intake is None or intake.sweep() is not sweep:
            intake = self._intakes.get(sweep)
        if intake and intake.done == run.clock.sweep:
            raise StaleError("this optimizer took its step for this sweep already: sweep forward and backward again")
        if intake is None or intake.bundles is not self._layout.bundles or not (more or intake.whole):
            groups = intake.groups if intake else self.chosen(run.graph, sweep.uses)
            intake = Intake(sweep, groups, self._layout.arrange({**self._waiting, **groups}))
            self._intakes[sweep] = intake
        self._intake_before, intake.m = intake, sweep.m
        sweep.gradients()
        return intake

    def chosen(self, graph: Graph, uses: Iterable[Param]) -> dict[Param, str | None]:
        """The Params to move of those that get a gradient, with their groups."""
        if not self._groups and not self._wanted:
            return dict.fromkeys(uses)
        named = {param: name for name, param in graph.params.items()}
        for wanted in (*self._wanted, *self._groups):
            if not any(_means(wanted, param, name) for param, name in named.items()):
                some = ", ".join([*named.values()][:5]) + (", …" if len(named) > 5 else "")
                raise GraphError(f"{wanted!r} means no Param of graph {graph.name!r}, which has {some or 'none'}")
        return {
            param: next((pattern for pattern in self._groups if _means(pattern, param, named[param])), None)
            for param in uses
            if not self._wanted or any(_means(wanted, param, named[param]) for wanted in self._wanted)
        }

    # ---- copies ----

    def state(self, graph: Graph) -> dict[str, Any]:
        """What it remembers of its steps in a graph, as `restore` takes it: also numbers that callbacks set."""
        aside = {"given", "_layout", "_intakes", "_intake_before", "_waiting", "_examples", "_groups", "_wanted"}
        aside |= {name for name in self.given if not is_real(getattr(self, name))}
        names = dict.fromkeys((*(kept.name for kept in fields(self)), *vars(self)))
        return {
            "own": {name: getattr(self, name) for name in names if name not in aside},
            "rates": {name: dict(vars(lr)) for name, lr in self.schedules().items()},
            "params": self._layout.state(graph.params.values()),
            "waiting": dict(self._waiting),
            "examples": self._examples,
        }

    def restore(self, state: Mapping[str, Any], graph: Graph) -> None:
        """Go on from there, where nothing else is remembered of that graph."""
        vars(self).update(state["own"])
        for name, lr in self.schedules().items():
            vars(lr).update(state["rates"].get(name, {}))
        self._layout = Layout({**self._layout.state(but=graph.params.values()), **state["params"]})
        self._waiting, self._examples = dict(state["waiting"]), state["examples"]

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["_intakes"], state["_intake_before"]  # they belong to runs
        return {**state, "_layout": copy.copy(self._layout), "_waiting": self._waiting.copy()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _intakes=WeakKeyDictionary(), _intake_before=None)


def _means(wanted: str | Param, param: Param, name: str) -> bool:
    return wanted is param or (isinstance(wanted, str) and (wanted == name or fnmatchcase(name, wanted)))
