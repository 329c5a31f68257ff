"""The groups of public names: the pages of the reference, in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Group:
    """Names that stand on one page, or on a page each, with an index of them."""

    page: str
    title: str
    intro: str
    module: str
    names: tuple[str, ...] | None = None
    """None: all that the module has."""
    own: tuple[str, ...] | bool = False
    """The names with a page of their own: True for all."""
    needs: tuple[str, ...] = ()
    """Packages without which the module isn't imported."""
    families: tuple[str, ...] = ()
    """The module's files, in order, whose names stand together; each file's first line is their heading."""
    classes: tuple[str, ...] = ()
    """Where a group without a module has its classes: module:Class."""

    def has_pages(self, name: str) -> bool:
        """Whether this name has a page of its own."""
        return self.own if isinstance(self.own, bool) else name in self.own

    def missing(self) -> bool:
        """Whether there is no such module, or what it needs isn't installed."""
        try:
            absent = bool(self.module) and find_spec(self.module) is None
        except ModuleNotFoundError:
            return True
        return absent or any(find_spec(package) is None for package in self.needs)

    def members(self, public: Callable[[ModuleType], list[str]]) -> Iterator[tuple[str, Any]]:
        """Each name with what it stands for."""
        for place in self.classes:
            module, _, name = place.partition(":")
            yield name, getattr(import_module(module), name)
        if self.module:
            module = import_module(self.module)
            for name in public(module) if self.names is None else self.names:
                yield name, getattr(module, name)


TOP = "minigraph"
LAYERS = (
    *("dense", "conv", "pool", "norm", "activation", "embedding", "recurrent", "cells", "steps", "attention"),
    *("merge", "elementwise", "reduce", "shape", "slicing", "resize", "affine", "noise"),
)
COSTS = ("squares", "softmax", "entropy", "margins", "penalties", "value", "cost")
GROUPS = (
    Group(
        "graphs",
        "Graphs",
        "The wiring: nodes, their names, the Params of their layers. A graph is drawn, saved, cut and run from here.",
        TOP,
        ("Graph", "Sequential", "Node", "Edge", "Param", "load", "register"),
        own=("Graph", "Node", "Param"),
    ),
    Group(
        "runs",
        "Runs",
        "One execution of a graph, forward and backward, and what each node computed in it.",
        TOP,
        ("Run", "Record"),
        own=True,
    ),
    Group(
        "results",
        "What calls return",
        "Classes that are not made by hand: what `run[…]`, `run.edge`, `mg.check`, `diagnose` and `explain` return.",
        "",
        classes=(
            "minigraph.views:RecordView",
            "minigraph.views:EdgeView",
            "minigraph.check.report:Report",
            "minigraph.check.report:Finding",
            "minigraph.diagnose.findings:Diagnosis",
            "minigraph.explain.explanation:Explanation",
        ),
    ),
    Group(
        "layers",
        "Layers",
        "The mathematics of a node, each with the equations of both directions. Shapes are those of samples: the batch "
        "axis, always first, is left out.",
        "minigraph.layers",
        own=True,
        families=LAYERS,
    ),
    Group(
        "costs",
        "Costs",
        "Layers whose output is C_x, one number an example, and whose average over the examples is C.",
        "minigraph.costs",
        own=True,
        families=COSTS,
    ),
    Group(
        "activations",
        "Activations",
        "Elementwise functions σ with their slopes σ'. A layer takes a name, an object, or a pair (f, slope).",
        "minigraph.activations",
    ),
    Group("blocks", "Blocks", "Graphs of visible nodes, added to a graph like layers.", "minigraph.blocks"),
    Group("initializers", "Initializers", "What weights start as.", "minigraph.initializers"),
    Group("optimizers", "Optimizers", "What moves the weights by their gradients.", "minigraph.optimizers"),
    Group("schedules", "Schedules", "Learning rates that change with the steps taken.", "minigraph.schedules"),
    Group(
        "training",
        "Training",
        "The loop over epochs and batches, what it reports, and what answers without training.",
        TOP,
        ("fit", "epochs", "evaluate", "predict", "Epoch", "History", "Score", "EarlyStopping"),
    ),
    Group("metrics", "Metrics", "What is measured beside the cost.", "minigraph.metrics"),
    Group("datasets", "Data sets", "Data that comes with the package.", "minigraph.datasets"),
    Group("checking", "Checking gradients", "Each backward pass against central differences.", TOP, ("check",)),
    Group(
        "drawing",
        "Drawing",
        "How graphs and gradient flows look, and what of them is drawn.",
        TOP,
        ("Picture", "View", "Style", "Look", "style", "GradientHistory"),
        own=("GradientHistory",),
    ),
    Group("errors", "Errors", "All the ways that minigraph says no. Each message says what to do.", "minigraph.errors"),
    Group("onnx", "ONNX", "Graphs as ONNX models.", "minigraph.interop.onnx", needs=("onnx",)),
    Group("networkx", "networkx", "Graphs for networkx.", "minigraph.interop.networkx", needs=("networkx",)),
    Group("sklearn", "scikit-learn", "Graphs as estimators.", "minigraph.interop.sklearn", needs=("sklearn",)),
    Group("mpi", "MPI", "Training on many machines.", "minigraph.interop.mpi", needs=("mpi4py",)),
    Group(TOP, "", "", TOP),
)
"""The last is what `minigraph` has beside: names of other groups by a shorter way."""
