"""Errors to go back from that don't fit, and what is read before it is there: each row names what it must be told."""

import numpy as np
import pytest
from refusals import FEEDS, T, bad, check, net

import minigraph as mg
from minigraph.errors import FeedError, GraphError, NoPathError, NotBuiltError, NotComputedError, StaleError

FROM = "takes real numbers in its output's shape (4, 2)"


def back(source, error, *names, kind=FeedError, at="y stands here"):
    return bad(lambda g: g.forward(FEEDS).backward(source, error), kind, *names, at=at)


def read(do, kind, *names, at=None):
    return bad(lambda g: do(g.forward(FEEDS)), kind, *names, at=at)


ERRORS = {
    "an error too wide": back(
        "y", np.ones((4, 3)), "the error of 'y'", FROM, "got float64 of shape (4, 3)", "∂C_x/∂(output)"
    ),
    "an error for one example": back("y", np.ones(2), "'y'", FROM, "got float64 of shape (2,)", "one row an example"),
    "an error that is a number": back("y", 1.0, "'y'", FROM, "got float64 of shape ()", "one row an example"),
    "an error transposed": back("y", T.T, "'y'", FROM, "got float64 of shape (2, 4)", "one row an example"),
    "an error for a cost as a column": back(
        "cost", np.ones((4, 1)), "'cost'", "shape (4,)", "(4, 1)", "one row an example", at="t stands here"
    ),
    "a complex error": back("y", T * 1j, "'y'", FROM, "got complex128 of shape (4, 2)", "one row an example"),
    "an error of text": back("y", T.astype(str), "'y'", FROM, "got <U32 of shape (4, 2)", "one row an example"),
    "an error of objects": back("y", T.astype(object), "'y'", FROM, "got object of shape (4, 2)", "one row an example"),
    "a ragged error": back("y", [[1.0, 2.0], [1.0]], "'y'", FROM, "got list that makes none", "make an array of it"),
    "a masked error": back(
        "y", np.ma.masked_array(T, T > 0), "'y'", "plain arrays, got a masked array", "array.filled(0)"
    ),
    "no error for what is no cost": back(
        "y", None, "'y' is no cost", "give the error", "output's shape", kind=GraphError, at=None
    ),
    "an error for nobody": back(
        None, T, "without the node it belongs to", "run.backward('h1', error)", kind=GraphError, at=None
    ),
    "an error for a node that isn't there": back(
        "why", T, "no node 'why' in graph 'net'", "which has 'x', 'h'", kind=GraphError, at=None
    ),
    "an error for a number": back(3, T, "no node 3 in graph 'net'", "which has 'x', 'h'", kind=GraphError, at=None),
    "no errors at all": back({}, None, "names no node to go back from", kind=GraphError, at=None),
    "the gradient by what isn't there": read(
        lambda run: run.backward(wrt="z"), GraphError, "no node 'z'", "which has 'x'"
    ),
    "the gradient by a number": read(lambda run: run.backward(wrt=3), GraphError, "by name, or as nodes, got 3"),
}
READ = {
    "a node that isn't there": read(
        lambda run: run["hh"], GraphError, "no node 'hh' in graph 'net'", "did you mean 'h'?"
    ),
    "δ before backward": read(
        lambda run: run["h"].delta, NotComputedError, "the δ of 'h' is not computed", "run.backward()"
    ),
    "a gradient before backward": read(
        lambda run: run.grad(run.graph["h"].layer.w),
        NotComputedError,
        "∂C/∂h.w is not computed",
        "call run.backward() first",
    ),
    "an edge's gradient before backward": read(
        lambda run: run.edge("x", "h").grad, NotComputedError, "'x' -> 'h' (slot 0)", "call run.backward() first"
    ),
    "an edge that isn't there": read(
        lambda run: run.edge("x", "y"), GraphError, "no edge from 'x' to 'y'", "it takes 'h'"
    ),
    "z of what has none": read(
        lambda run: run["cost"].z, NotComputedError, "Quadratic 'cost' has no z", "layers of neurons"
    ),
    "δ of a target": read(
        lambda run: run.backward()["t"].delta, NoPathError, "no δ of 't'", "no path leads from 't' to 'labels', 'cost'"
    ),
    "δ that nobody asked for": read(
        lambda run: run.backward()["x"].delta,
        NotComputedError,
        "the δ of 'x' was not asked for",
        "run.backward(wrt='x')",
    ),
    "the gradient of a layer": read(
        lambda run: run.grad(run.graph["h"].layer), GraphError, "run.grad takes a Param", "run.grad(layer.w)"
    ),
    "the gradient of a name": read(lambda run: run.grad("h.w"), GraphError, "run.grad takes a Param", "got 'h.w'"),
    "the gradient of another graph's Param": read(
        lambda run: run.grad(net()["h"].layer.w),
        GraphError,
        "is not in graph 'net'",
        "take it from a layer, or from g.params",
    ),
    "a gradient per row": read(
        lambda run: run.grad(run.graph["h"].layer.w, per="row"), GraphError, "'use' or 'example', got 'row'"
    ),
    "a node behind the end": bad(
        lambda g: g.forward(FEEDS, until="h")["y"],
        NotComputedError,
        "'y' was not computed",
        "this run stops at 'h'",
        "call g.forward(…)",
        at=None,
    ),
    "the cost of a run without": bad(
        lambda g: g.forward(FEEDS, until="y").cost, NotComputedError, "computed no cost", at=None
    ),
    "backward from a run without cost": bad(
        lambda g: g.forward(FEEDS, until="y").backward(),
        GraphError,
        "this run stopped before the cost",
        "run.backward('y', error)",
        at=None,
    ),
    "backward before forward": bad(
        lambda g: mg.Run(g).backward(),
        StaleError,
        "the forward sweep is missing",
        "call run.forward(…) before backward",
        at=None,
    ),
    "Params before the first use": bad(
        lambda g: mg.layers.Dense(3).w, NotBuiltError, "Dense has no w yet", "g.add(…), creates it", at=None
    ),
}
TABLE = {**ERRORS, **READ}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_what_can_not_be_read_or_gone_back_from_is_named_with_what_to_do(row):
    check(row)
