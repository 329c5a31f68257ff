"""Run: one execution of a graph, forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from .backward import BackwardSweep
from .costs import Cost
from .errors import FeedError, GraphError, NotComputedError, StaleError
from .feeds import admit, admit_error, batch_of, merged
from .forward import ForwardSweep
from .gist import gist
from .graph import Graph
from .layer import Layer, Node
from .nonfinite import stop_backward, stop_forward
from .param import Array
from .plan import Plan, check_feeds
from .record import Clock, flag
from .results import Results
from .views import RecordView
from .wiring import settled

Observer: TypeAlias = Callable[[Node, RecordView], None]


class Run(Results):
    """One execution of a graph: a record for each node, filled by `forward`, then by `backward`.

    Sweeping the same run again reuses its arrays. `seed` decides what noise layers draw. With `guard`, feeds are
    copied, and any change of a weight between forward and backward is noticed. Training loops go without: feeds are
    taken as they are, to be left alone until the sweeps are over, and changes of weights are noticed when an optimizer
    or an assignment to `Param.value` made them, not when they were written into the array. They also `keep` nothing of
    blocks that are recomputed in training (see `Graph.block`), unless asked to.

    With `watch_nonfinite`, sweeps stop with NonFiniteError at the first node that makes NaN or infinite numbers out of
    finite input: in its output or, going back, in what it sends or in a Param's gradient. Infinity that is gone again
    inside a layer, as masks put it under a softmax, is none; but what one node makes and a later one takes away, as in
    exp(log(0)), is. Feeds and given errors that aren't finite raise FeedError. It takes time: every array is looked
    at, numpy isn't asked directly but by layers, and what it would warn of isn't shown.

    Runs of one graph may go in several threads, one run in one thread; a run that two threads sweep at once raises
    StaleError. Threads that train need graphs of their own (`g.copy()`): an optimizer writes into the weights while
    others read them.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        training: bool = False,
        seed: int | None = None,
        guard: bool = True,
        keep: bool | None = None,
        watch_nonfinite: bool = False,
    ):
        if not isinstance(graph, Graph):
            raise GraphError(f"mg.Run takes a graph, got {gist(graph)}")
        super().__init__(graph, Clock(graph.next_seed() if seed is None else seed), flag(guard, "guard"))
        self.training = flag(training, "training")
        self._keep = self._guard if keep is None else flag(keep, "keep")
        self._watches = flag(watch_nonfinite, "watch_nonfinite")
        self._committed = 0

    # ---- forward ----

    def forward(
        self,
        feeds: Mapping[str, ArrayLike] | None = None,
        /,
        *,
        until: Any = None,
        training: bool | None = None,
        observe: Observer | None = None,
        **named: ArrayLike,
    ) -> Run:
        """Compute every node from the fed arrays, in topological order, and return this run.

        Feeds go by input name; they are copied. Rows are examples; arrays of just the declared shapes are one example.
        `until` names the nodes wanted: only they and what they depend on are computed and asked for. `observe(node,
        record)` is called after each node. After a whole forward sweep, inputs may be left out: they stay what they
        were, and only what depends on the others, or on weights changed since, is computed again. Raises FeedError for
        feeds that don't fit, LayerError where a layer fails.
        """
        if feeds is not None:
            named = merged(feeds, named) if named or type(feeds) is not dict else feeds
        if observe is not None and not callable(observe):
            raise GraphError(f"observe is a function of a node and its record, got {gist(observe)}")
        token = self.sweeping = object()
        weights, self._weights = self._weights, None
        self.forward_done, self.backward_done = 0, -1
        self.clock.sweep += 1
        if training is not None:
            self.training = flag(training, "training")
        if until is not None:
            until = settled(until)
        plan = self._plan
        if plan is None or plan.asked != (self.graph.edition, Layer.edition, until, self.training):
            plan = self._plan = Plan(self.graph, until, self.training)
        sweep, steps = self._forward, None
        if sweep is not None and sweep.plan is plan and len(named) < len(sweep.inbox) and weights is not None:
            steps = self._behind(sweep, named, weights)
        else:
            sweep = self._fed(plan, named)
        weights = plan.weights(self._guard)
        if observe is None and not self._watches:
            sweep.run(steps)
        else:
            self._watched(sweep, steps, observe, "forward_done", stop_forward)
        if self.sweeping is not token:
            self._break_off()
        self.forward_done = len(plan.order)
        self._weights = weights
        return self

    def _fed(self, plan: Plan, named: Mapping[str, Any]) -> ForwardSweep:
        """Hand the feeds to the inputs, in a sweep with empty records if the plan or the batch size is new."""
        sweep = self._forward
        if sweep is None or sweep.plan is not plan or len(named) != len(sweep.inbox):
            return self._admitted(plan, named)
        outputs, copied = sweep.outputs, sweep.copied
        for name, shape, dtype, held, whole, k in sweep.inbox:
            array = named.get(name)
            if type(array) is not np.ndarray or array.shape != shape or array.dtype != dtype:
                return self._admitted(plan, named)
            if k in copied:
                np.copyto(held, array)
                array = whole
            outputs[k] = array
        return sweep

    def _behind(self, sweep: ForwardSweep, named: Mapping[str, Any], weights: Any) -> list[Any]:
        """Hand some feeds to their inputs; the steps that depend on them, or on weights that changed."""
        inputs = {node.name: node for node in sweep.plan.inputs}
        if not named.keys() <= inputs.keys():
            check_feeds(self.graph, named, sweep.plan.asked[2])
        arrays = {inputs[name]: admit(inputs[name], value) for name, value in named.items()}
        if arrays and batch_of(arrays) != (sweep.m, sweep.single):
            kept = ", ".join(repr(name) for name in inputs if name not in named)
            raise FeedError(
                f"{kept} {'is one example' if sweep.single else f'has {sweep.m} examples'} still, and "
                f"{', '.join(map(repr, named))} got another number: feed all inputs"
            )
        sweep.take(arrays)
        return sweep.behind(set(arrays), sweep.plan.changed(weights))

    def _admitted(self, plan: Plan, named: Mapping[str, Any]) -> ForwardSweep:
        check_feeds(self.graph, named, plan.asked[2])
        arrays = {node: admit(node, named[node.name]) for node in plan.inputs}
        m, single = batch_of(arrays)
        sweep = self._forward
        if sweep is None or sweep.plan is not plan or (m, single) != (sweep.m, sweep.single):
            sweep = self._forward = ForwardSweep(plan, m, single, self.clock, self._keep)
            if self._guard or single:
                sweep.copied.update(k for *_, k in sweep.inbox)
        sweep.take(arrays)
        return sweep

    # ---- backward ----

    def backward(
        self,
        source: Any = None,
        error: ArrayLike | None = None,
        *,
        wrt: Any = None,
        observe: Observer | None = None,
    ) -> Run:
        """Send errors back from all costs, or from `source` with a given error, and return this run.

        `source` is a cost, as a node or by name, or several costs; or any node with an `error` of its output's shape;
        or a mapping of nodes to their errors. Errors go wherever a Param that isn't frozen, or a node named in `wrt`
        (an input, say), stands before. Doing it twice gives the same numbers. Raises StaleError when the forward sweep
        is missing, unfinished or outdated.
        """
        forward = self.current()
        seeds = forward.cost_seeds if source is None and error is None else self._seeds(forward, source, error)
        if wrt is not None:
            wrt = settled(wrt)
        sweep = self._backward
        if sweep is None or sweep.forward is not forward or not sweep.serves(seeds, wrt):
            if not seeds and source is not None:
                raise GraphError("the mapping of errors names no node to go back from")
            if not seeds:
                why = "this run stopped before the cost" if self.graph.costs else "the graph has no cost, see g.cost"
                last = forward.plan.order[-1].name
                raise GraphError(f"{why}: call run.backward({last!r}, error) to go back from a node with a given error")
            wanted = [self.ran(node) for node in self.graph.resolve(wrt)]
            self._backward, self.backward_done = None, -1
            sweep = self._backward = BackwardSweep(forward, seeds, wrt, wanted)
        token = self.sweeping = object()
        self._is_back, self.backward_done = False, 0
        if observe is None and not self._watches:
            sweep.run(seeds)
        else:
            self._watched(sweep, seeds, observe, "backward_done", stop_backward)
        if self.sweeping is not token:
            self._break_off()
        if self._guard:
            self.backward_done = 0
            self.current()
        self.backward_done, self._is_back = len(sweep.steps), True
        return self

    def _seeds(self, forward: ForwardSweep, source: Any, error: ArrayLike | None) -> dict[Node, Array]:
        if source is None:
            raise GraphError("an error was given without the node it belongs to: run.backward('h1', error)")
        if isinstance(source, (str, Node, Mapping)) or error is not None:
            given = source.items() if isinstance(source, Mapping) else [(source, error)]
        else:
            given = [(key, None) for key in settled(source)]
        seeds: dict[Node, Array] = {}
        for key, value in given:
            node = self.ran(key)
            if node in seeds:
                raise GraphError(f"two errors were given for {node.name!r}")
            if value is None and not isinstance(node.layer, Cost):
                raise GraphError(f"{node.name!r} is no cost: give the error to go back from, of its output's shape")
            seeds[node] = forward.ones if value is None else admit_error(node, value, forward.m, forward.single)
        return seeds

    # ---- both ----

    def _watched(
        self, sweep: Any, what: Any, observe: Observer | None, progress: str, stop: Callable[[Results, Any, Node], None]
    ) -> None:
        """Sweep while somebody watches: an observer, or this run, for numbers that aren't finite."""
        token = self.sweeping

        def reached(node: Node) -> None:
            setattr(self, progress, sweep.place[node] + 1)
            if self._watches:
                stop(self, sweep, node)
            if observe is not None:
                observe(node, RecordView(self, node))
            if self.sweeping is not token:
                self._break_off()
            if self._plan is None or self._plan.cuts != self.graph.cuts:
                self._forget()
                raise StaleError("the graph's nodes were edited in the middle of a sweep: make a new run, g.forward(…)")

        if self._watches:
            with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # what stays of it is told
                sweep.run(what, reached)
        else:
            sweep.run(what, reached)

    def _break_off(self) -> None:
        """Leave nothing to read where another sweep of this run began in the middle of one, and raise StaleError."""
        self.sweeping = object()  # in another thread that other sweep may go on: it is broken off as well
        self._forget()
        raise StaleError(
            "this run was swept anew in the middle of a sweep: make another run, with g.forward(…), one for each thread"
        )

    def _forget(self) -> None:
        self.forward_done, self.backward_done, self._weights = 0, -1, None

    # ---- for optimizers ----

    def trained(self) -> BackwardSweep:
        """The finished backward sweep, with each Param's shares of its gradient.

        Raises NotComputedError when the backward sweep is missing or unfinished.
        """
        sweep = self.swept_back()
        if not self._is_back:
            raise NotComputedError("the backward sweep was interrupted: call run.backward() again")
        return sweep

    def commit(self) -> None:
        """Let layers take over what this training sweep left behind (running statistics), once; optimizers call it."""
        sweep = self.swept()
        if sweep.plan.training and self._committed != self.clock.sweep:
            self._committed = self.clock.sweep
            for layer, at in sweep.committers:
                layer.commit(at)
