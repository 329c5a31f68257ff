"""GradientHistory: how large gradients, weights and updates are while a graph trains."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from ..errors import GraphError, NotComputedError, StaleError
from ..layer import Layer
from ..numbers import is_whole
from ..param import Array
from ..run import Run
from .plots import Table, heatmap, lines
from .sizes import Places, Sizes, measure, norm
from .steps import GradientSteps

if TYPE_CHECKING:
    from ..diagnose import Diagnosis
    from ..render.picture import Picture
    from ..render.style import Style

Kind: TypeAlias = Literal["delta", "mean_delta", "grad", "update"]

LABELS: dict[str, str] = {
    "delta": "rms of δ, per element",
    "mean_delta": "‖δ‖, norm of the mean over the batch",
    "grad": "‖∂C/∂w‖",
    "update": "‖Δw‖ / ‖w‖, per update",
}


class GradientHistory(GradientSteps):
    """The sizes of gradients, weights and updates at every k-th step of a training, beginning with the first.

        gradients = mg.GradientHistory(every=10)
        mg.fit(g, data, …, watch=[gradients])         # or gradients(run), after each run.backward()
        gradients.delta("h1"), gradients.grad(tower.w), gradients.edge("u", "concat"), gradients.update_ratio("h1.w")
        gradients.plot("lines.svg"), gradients.heatmap("map.png", kind="update")

    A step is a batch that went backward, counted from 1 over all trainings of the graph that it watches. Sizes are
    taken over the batch: δ and ∂C/∂a are per example, not divided by m; ∂C/∂w is the mean over the examples.

    How far weights move is measured, not worked out: they are copied at a step that is kept, and compared when they
    have moved (with `accumulate`, some steps later): at the next call, at the end of an epoch, or when it is asked for.
    In a loop of one's own, call `settle` before weights are moved by anything but the optimizer.
    """

    def __init__(self, every: int = 1):
        if not is_whole(every) or every < 1:
            raise GraphError(f"GradientHistory keeps every k-th step, k a positive whole number, got every={every!r}")
        super().__init__()
        self.every = int(every)
        self.seen = 0
        """How many steps went by, kept or not."""
        self._editions = (-1, -1)
        self._waiting: list[Sizes] = []  # for the Params to move from where they were before
        self._before: list[Array] = []
        self._versions: list[int] = []

    def __call__(self, run: Run) -> None:
        """Count a step and, if it is to be kept, measure a run that went backward and whose Params haven't moved since.

        Raises NotComputedError before `run.backward()`, StaleError after an update of the weights, GraphError for a
        run of another graph, or of one that was edited since.
        """
        self.settle()
        if self.seen % self.every == 0:
            self._keep(run)
        self.seen += 1

    def _keep(self, run: Run) -> None:
        if not isinstance(run, Run):
            raise GraphError(f"a GradientHistory is called with a Run, after run.backward(); got {run!r}")
        places = self._placed(run)
        try:
            run.current()
        except StaleError as stale:
            raise StaleError(f"gradients are kept right after run.backward(), before Params move: {stale}") from None
        sizes = measure(run, places, self.seen + 1)
        if not self._waiting:
            self._before = [param.value.copy() for param in places.params]
            self._versions = [param.version for param in places.params]
        self._places = places
        self._kept.append(sizes)
        self._waiting.append(sizes)

    def _placed(self, run: Run) -> Places:
        graph, places, editions = run.graph, self._places, (run.graph.edition, Layer.edition)
        if places is None:
            places = Places(graph)
        elif graph is not places.graph:
            raise GraphError(
                f"this GradientHistory keeps the gradients of graph {places.graph.name!r}, and got a run of another, "
                f"{graph.name!r}: make one for each"
            )
        elif editions != self._editions and not places.still_fit(graph):
            raise GraphError(
                f"graph {graph.name!r} was edited after step {self._kept[-1].step}, the last that this GradientHistory "
                f"kept, and what is kept wouldn't fit together: make another for the graph as it is now"
            )
        self._editions = editions
        return places

    def settle(self) -> None:
        """Measure now how far Params moved since the last step that was kept; nothing happens if they didn't yet."""
        if not self._waiting:
            return
        pairs = list(zip(self.places.params, self._before, strict=True))
        if self._versions == [param.version for param, _ in pairs] and all(
            np.array_equal(param.value, before) for param, before in pairs
        ):
            return
        with np.errstate(over="ignore", invalid="ignore"):
            moved = [norm(np.subtract(param.value, before, dtype=np.float64)) for param, before in pairs]
        for sizes in self._waiting:
            sizes.update[:] = moved
            sizes.update_state = "computed"
        self._waiting, self._before, self._versions = [], [], []

    # ---- on paper ----

    def to_csv(self, path: str | Path) -> Path:
        """Write a line for each number: step, what, node, target, slot, param, value, state; the value empty if none.

        What is cost, delta, mean_delta, edge (from a node to a target's input `slot`), use (a node's part of ∂C/∂w, by
        its layer's name for the Param), grad, weight or update (of a Param). The state says why there is no value.
        """
        path = Path(path)
        rows = [[_written(part) for part in row] for row in self.table()]
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("step", "what", "node", "target", "slot", "param", "value", "state"))
            writer.writerows(rows)
        return path

    def plot(self, path: str | Path | None = None, *, kind: Kind = "delta") -> Any:
        """Plot sizes over steps on a log axis, a line each; returns the matplotlib figure, saves it if a path is given.

        `kind` is "delta" or "mean_delta", for the nodes with weights; "grad" or "update" (the ratio ‖Δw‖ / ‖w‖), for
        Params of two axes or more, so not for biases. Colors follow the depth. Raises RenderError when matplotlib is
        missing.
        """
        return lines(self._table(kind), path)

    def heatmap(self, path: str | Path | None = None, *, kind: Kind = "delta") -> Any:
        """Draw the numbers that `plot` plots as colors, layer × step, on a log scale; the first layer is on top.

        What is 0, not finite or not computed looks apart. Raises RenderError when matplotlib is missing.
        """
        return heatmap(self._table(kind), path)

    def diagnose(self) -> Diagnosis:
        """Whether the last update that was measured is out of proportion to the weights, as findings: `print` it.

        Judged is ‖Δw‖ / ‖w‖ of each Param of two axes or more, as the optimizer moved it. Raises NotComputedError while
        there is none.
        """
        from ..diagnose import Diagnosis, judge_updates

        self.settle()
        _ = self.places  # raises
        moved = [place for place, sizes in enumerate(self._kept) if sizes.update_state == "computed"]
        if not moved:
            raise NotComputedError("no update was measured yet: go on training, or take an optimizer's step")
        ratios = {name: float(self.update_ratio(name)[moved[-1]]) for name in self.params}
        source = f" at step {self.steps[moved[-1]]}"
        return Diagnosis(judge_updates(self.places.graph, ratios, source=source), f"the update{source}")

    def picture(self, steps: Sequence[int] | None = None, *, style: Style | str = "light", **view: Any) -> Picture:
        """The gradient flows at some of the steps kept, beside each other on one scale; options are those of `mg.View`.

        Without `steps`, four of them from the first to the last. Raises GraphError for a step that wasn't kept,
        NotComputedError while there is none.
        """
        from ..render.themes import style as themed
        from ..render.training import steps_picture
        from ..render.view import view_of

        return steps_picture(self, self.spread(4) if steps is None else list(steps), view_of(view), themed(style))

    def draw(
        self,
        path: str | Path,
        steps: Sequence[int] | None = None,
        *,
        style: Style | str = "light",
        timeout: float = 30.0,
        dpi: float = 192.0,
        **view: Any,
    ) -> Path:
        """Draw `picture` into a file; the format goes by the extension, as in `Picture.save`. Returns the path."""
        return self.picture(steps, style=style, **view).save(path, timeout=timeout, dpi=dpi)

    def _table(self, kind: str) -> Table:
        if kind not in LABELS:
            raise GraphError(f"kind is {', '.join(map(repr, LABELS))}; got {kind!r}")
        places = self.places
        if kind in ("delta", "mean_delta"):
            rows, names, levels = places.weighted(), places.names, [places.level[node] for node in places.nodes]
            values = [self.column(kind, i) for i in rows]
            states = [[sizes.node_states[i] for sizes in self._kept] for i in rows]
        else:
            rows, names, levels = places.weights(), self.params, places.param_levels
            read, params = {"grad": self.grad, "update": self.update_ratio}[kind], list(places.params)
            values = [read(params[i]) for i in rows]
            states = [[_state(sizes, i, kind) for sizes in self._kept] for i in rows]
        matrix = np.array(values, dtype=np.float64).reshape(len(rows), len(self))
        return Table(LABELS[kind], [names[i] for i in rows], [levels[i] for i in rows], self.steps, matrix, states)

    def __repr__(self) -> str:
        if self._places is None:
            return f"<GradientHistory, every={self.every}: no step kept yet>"
        return f"<GradientHistory of {self._places.graph.name!r}: {len(self)} of {self.seen} steps, every={self.every}>"


def _state(sizes: Sizes, param: int, kind: str) -> str:
    """What to show of a Param: why it got no gradient also where that is why it didn't move."""
    return sizes.update_state if kind == "update" and sizes.update[param] != 0.0 else sizes.grad_states[param]


def _written(part: Any) -> Any:
    """A part of a line; the character NUL, which programs refuse to read, by its escape."""
    return part.replace("\0", r"\0") if isinstance(part, str) else part
