"""Results: what a run has computed, for reading."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .backward import BackwardSweep
from .errors import GraphError, NotComputedError, StaleError
from .forward import ForwardSweep
from .gradients import gradient, per_example, per_use
from .graph import Graph
from .layer import Layer, Node
from .param import Param
from .plan import Plan
from .record import Clock
from .views import Chain, EdgeView, RecordView, forgotten

if TYPE_CHECKING:
    from .diagnose import Diagnosis
    from .explain import Explanation
    from .gradient_history import GradientHistory
    from .render.picture import Picture
    from .render.style import Style


class Results:
    """What a run has computed in its current sweeps: records, edges, costs, gradients."""

    def __init__(self, graph: Graph, clock: Clock, guard: bool):
        self.graph = graph
        self.clock = clock
        self._guard = guard
        self.forward_done = 0  # how many nodes the current sweeps have computed; −1: not begun
        self.backward_done = -1
        self._plan: Plan | None = None
        self.sweeping = object()
        """Which sweep is going on, or was the last."""
        self._weights: Any = None
        """The Params' values as the last forward sweep took them; None: it isn't whole."""
        self._is_back = False
        """Whether the last backward sweep is whole."""
        self._forward: ForwardSweep | None = None
        self._backward: BackwardSweep | None = None

    def __reduce__(self) -> Any:
        raise GraphError("a run is not copied or pickled: copy or pickle its graph, and make a run with g.forward(…)")

    @property
    def m(self) -> int:
        """Number of examples of the last forward sweep."""
        return self.swept().m

    @property
    def single(self) -> bool:
        """Whether the last forward sweep was fed one example, without a batch axis."""
        return self.swept().single

    @property
    def cost(self) -> float:
        """C = (1/m) Σ_x C_x, summed over the cost nodes."""
        return sum(self.costs.values())

    @property
    def costs(self) -> dict[str, float]:
        """The mean of C_x for each cost node, by name."""
        costs = self.swept().plan.costs
        if not costs:
            raise NotComputedError("this run computed no cost: the graph has none, or the run stopped before it")
        return {node.name: float(np.mean(self[node].a)) for node in costs}

    def swept(self) -> ForwardSweep:
        """The forward sweep; raises NotComputedError when there is none yet, StaleError after an edit of the graph."""
        if self._forward is None:
            raise NotComputedError("nothing is computed yet: call run.forward(…)")
        if self._forward.plan.cuts != self.graph.cuts:
            raise StaleError("the graph's nodes were edited after this run: make a new one with g.forward(…)")
        return self._forward

    def kept(self) -> ForwardSweep:
        """The forward sweep; raises what `swept` raises, and NotComputedError where it keeps only some of its nodes."""
        sweep = self.swept()
        for node in sweep.segments:
            if sweep.records[node].forgotten:
                raise NotComputedError(forgotten(node))
        return sweep

    def swept_back(self) -> BackwardSweep:
        """The backward sweep; raises NotComputedError when there is none for the current forward sweep."""
        if self._backward is None or self.backward_done < 0:
            raise NotComputedError("no gradient is computed yet: call run.backward()")
        return self._backward

    def current(self) -> ForwardSweep:
        """The forward sweep, if it is whole and graph and weights are still the same; else raises StaleError."""
        sweep, plan = self._forward, self._plan
        if sweep is None or plan is None or self._weights is None:
            raise StaleError("the forward sweep is missing or was interrupted: call run.forward(…) before backward")
        if plan.asked[0] != self.graph.edition:
            raise StaleError("the graph was changed after the forward sweep: make a new run with g.forward(…)")
        if plan.asked[1] != Layer.edition and plan.params_now() != plan.params:
            raise StaleError("a layer was given another Param after the forward sweep: call run.forward(…) again")
        changed = plan.changed(self._weights)
        if changed:
            names = ", ".join(name for name, p in self.graph.params.items() if p in changed)
            raise StaleError(f"{names} changed after the forward sweep: call run.forward(…) again before backward")
        return sweep

    def ran(self, node: Node | str) -> Node:
        """The node of that name, if this run computes it; else raises NotComputedError."""
        found = self.graph[node]
        if found not in self.swept().records:
            until = self.swept().plan.asked[2]
            stopped = f"as this run stops at {until!r}" if until else "as it is newer than the run"
            raise NotComputedError(f"{found.name!r} was not computed, {stopped}: call g.forward(…)")
        return found

    def __getitem__(self, node: Node | str) -> RecordView:
        """What a node computed in the current sweep, read-only: z, a, delta, inputs, grad."""
        return RecordView(self, self.ran(node))

    def __iter__(self) -> Iterator[RecordView]:
        """The records in the order of computation."""
        return (RecordView(self, node) for node in self.swept().plan.order)

    def edge(self, source: Node | str, target: Node | str, slot: int | None = None) -> EdgeView:
        """One value on its way: `.a` forward, `.grad` back along it, before the sum at a fork.

        `slot` is the number of the target's input, needed only where the same value enters twice.
        """
        u, v = self.ran(source), self.ran(target)
        slots = [i for i, node in enumerate(v.inputs) if node is u]
        if slot is None and len(slots) > 1:
            raise GraphError(f"{u.name!r} enters {v.name!r} by slots {slots}: say which, slot=…")
        if not slots or (slot is not None and slot not in slots):
            takes = ", ".join(repr(node.name) for node in v.inputs) or "nothing"
            raise GraphError(f"no edge from {u.name!r} to {v.name!r} with slot {slot}: it takes {takes}")
        return EdgeView(self, u, v, slots[0] if slot is None else slot)

    def grad(self, param: Param, per: Literal["use", "example"] | None = None) -> Any:
        """∂C/∂Param: the mean over examples, summed over all uses.

        `per="use"` gives a dict with each node's part; `per="example"` gives ∂C_x/∂Param, (m, *shape). Raises
        NotComputedError before `backward`, NoPathError where no path leads from the Param to the cost.
        """
        if not isinstance(param, Param):
            hint = f", as in run.grad(layer.{next(iter(param.params), 'w')})" if isinstance(param, Layer) else ""
            hint = f", as in run.grad(g.params[{param!r}])" if isinstance(param, str) else hint
            raise GraphError(f"run.grad takes a Param{hint}, got {param!r}")
        if per not in (None, "use", "example"):
            raise GraphError(f"per is 'use' or 'example', got {per!r}")
        return {None: gradient, "use": per_use, "example": per_example}[per](self, param)

    @property
    def layers(self) -> Chain:
        """The book's numbering, for a plain chain of neurons: layers[l].z, .a, .delta, .w, .b with l = 1 … L."""
        return Chain(self)

    # ---- to look at ----

    def diagnose(self, *, lr: float | None = None) -> Diagnosis:
        """What keeps the network from learning, as findings with the evidence and what to try: `print` it.

        Vanishing, exploding and dead gradients, saturated units, NaN and more, see `minigraph.diagnose.diagnose`; with
        the learning rate of gradient descent also updates out of proportion. Raises NotComputedError before any forward
        sweep, and for a run that doesn't keep what it computed.
        """
        from .diagnose import diagnose

        return diagnose(self, lr=lr)

    def explain(
        self, node: Node | str, *, w: tuple[int, int] | None = None, b: int | None = None, example: int = 0
    ) -> Explanation:
        """Derive a node's backward pass with the numbers of this run, for one example: `print` it, or save it.

        `w=(j, k)`, or `b=j`, tells the story of one weight, w[j, k], or one bias. See `minigraph.explain.explain`.
        Raises NotComputedError before `backward`.
        """
        from .explain import explain

        return explain(self, node, w=w, b=b, example=example)

    def picture(self, *, style: Style | str = "light", **view: Any) -> Picture:
        """A drawing of the gradient flow, for a notebook or to be saved; options are those of `mg.View`.

        Raises NotComputedError before any forward sweep and for a run that doesn't keep what it computed, GraphError
        for other options.
        """
        from .render.flow import flow_picture
        from .render.themes import style as themed
        from .render.view import view_of

        self.kept()
        return flow_picture(self, view_of(view), themed(style))

    def draw(
        self, path: str | Path, *, style: Style | str = "light", timeout: float = 30.0, dpi: float = 192.0, **view: Any
    ) -> Path:
        """Draw the gradient flow into a file; the format goes by the extension, as in `Picture.save`."""
        return self.picture(style=style, **view).save(path, timeout=timeout, dpi=dpi)

    def to_networkx(self) -> Any:
        """The graph as a networkx.MultiDiGraph with the size of the gradient on each edge, see `g.to_networkx`.

        Edges have the `state` of what came back along them and, where that is "computed", its root mean square per
        element as `gradient`. Raises NotComputedError before any forward sweep, ImportError without networkx.
        """
        from .interop.networkx import of_run

        return of_run(self)

    def explore(
        self,
        path: str | Path,
        *,
        history: GradientHistory | None = None,
        timeout: float = 30.0,
        **view: Any,
    ) -> Path:
        """Write a page that steps through this run, forward then backward, with all its numbers, and return its path.

        It is one HTML file that needs nothing but a browser. It opens on example 0 and marks what `diagnose` finds.
        With the `history` of a training it has a slider over the gradient flow at the steps kept, or 60 of them.
        Options are those of `mg.View`. Of large arrays it shows means of blocks, of large batches some examples, and
        says so. Raises NotComputedError before any forward sweep, StaleError where weights changed since, GraphError
        for another graph's history, RenderError where there is no drawing.
        """
        from .render.exploring import explore
        from .render.view import view_of

        self.kept()
        return explore(self, path, history, timeout, view_of(view))

    def neurons(self, *, style: Style | str = "light", **options: Any) -> Picture:
        """A small network neuron by neuron, with numbers of this run: run.neurons(shade="delta", example=0).

        - `highlight`: a weight, (node, j, k), or a neuron, (node, j), counted from 0; the book's l may stand for a node
        - `labels`: what is written there, with numbers: some of "w", "b", "z", "a", "delta"
        - `shade`: "a" or "delta" fills the circles, in each layer relative to its largest
        - `example`: whose z, a and δ; None is the mean over the batch
        - `numbers`: False writes letters only
        - `limit`: of layers with more neurons the first half of so many and the last are shown; 12
        - `figure`: one of the book's: "weights", "biases", "cost" or "notation"

        Raises GraphError for an option that there isn't, RenderError for what isn't made of neurons.
        """
        from .render.neurons import neurons_picture

        return neurons_picture(self, style, options)

    def __repr__(self) -> str:
        sweep = self._forward
        if sweep is None:
            return f"<Run of {self.graph.name!r}: nothing computed yet>"
        size = "one example" if sweep.single else f"a batch of {sweep.m}"
        done = "forward and backward" if self.backward_done > 0 else "forward"
        whole = self.forward_done == len(sweep.plan.order) and self.backward_done != 0
        return f"<Run of {self.graph.name!r}: {size}, {done if whole else 'not the whole sweep'}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return self.picture()._repr_mimebundle_(include, exclude)
