"""Graphs put together wrongly: each row names what it must be told, and the line of the call."""

import numpy as np
import pytest
from cases import CASES
from refusals import LONGEST, X, bad, check, net

import minigraph as mg
from minigraph.costs import L2, CosineEmbedding, Quadratic, TripletMargin
from minigraph.errors import GraphError, LayerError, ShapeError
from minigraph.layers import (
    LSTM,
    Add,
    BatchNorm,
    Concat,
    Conv2D,
    Dense,
    Embedding,
    Pad,
    UpSample2D,
)

HUGE = 10**15


def shape(given, *names):
    return bad(lambda g: g.input("new", given), GraphError, "input 'new' takes", *names)


def dtype(given, *names):
    return bad(lambda g: g.input("new", 3, dtype=given), GraphError, "input 'new' takes floats or integers", *names)


WHOLE = "a shape of positive whole numbers"
INPUTS = {
    "a size of 0": shape(0, WHOLE, "got 0"),
    "a size below 0": shape((3, -1), WHOLE, "got (3, -1)"),
    "a size that is a float": shape(2.0, WHOLE, "got 2.0"),
    "a size that is a bool": shape(True, WHOLE, "got True"),
    "sizes as text": shape("28", WHOLE, "got '28'"),
    "no sizes": shape(None, WHOLE, "got None"),
    "nested sizes": shape([3, [2]], WHOLE, "got [3, [2]]"),
    "a size beyond all arrays": shape((2**40, 2**40), "fewer elements", str((2**40, 2**40)), "no array has so many"),
    "booleans": dtype(bool, "(dtype=int), got dtype bool"),
    "complex numbers": dtype(complex, "(dtype=int), got dtype complex128"),
    "dates": dtype("M8[s]", "(dtype=int), got dtype datetime64[s]"),
    "objects": dtype(object, "(dtype=int), got dtype object"),
    "no dtype": dtype("real", "(dtype=int), got dtype 'real'"),
    "a graph of half precision": bad(
        lambda g: mg.Graph(dtype="float16"), GraphError, "takes dtype float64 or float32, got 'float16'", at=None
    ),
    "a graph's seed": bad(lambda g: mg.Graph(seed=-1), GraphError, "a whole number of 0 or more", "got -1", at=None),
}

NODES = "a node is what g.input(…) or layer(node) returns"
ADDED = {
    "a class": bad(lambda g: g.add(Dense, g["h"]), GraphError, "got the class Dense: call it first, Dense(…)"),
    "a number": bad(lambda g: g.add(3, g["h"]), GraphError, "g.add takes a layer or a graph, got 3"),
    "no nodes": bad(lambda g: g.add(Dense(3)), GraphError, "g.add(Dense) takes the nodes that feed it, got none"),
    "no nodes in a call": bad(lambda g: Dense(3)(), GraphError, "called with the nodes it takes: Dense()(node)"),
    "a name for a node": bad(lambda g: g.add(Dense(3), "h"), GraphError, "Dense takes nodes, got 'h'", NODES),
    "an array for a node": bad(lambda g: Dense(3)(X), GraphError, "got an array of shape (4, 3) float64", NODES),
    "a list of nodes": bad(
        lambda g: Concat()([g["h"], g["y"]]), GraphError, "Concat takes nodes, got a list of 2", NODES
    ),
    "a layer for a node": bad(lambda g: Add()(g["h"], Dense(3)), GraphError, "got the layer Dense", "Dense(…)(node)"),
    "a number behind >>": bad(lambda g: g["h"] >> 5, GraphError, "'h' >> takes a layer or a graph, got 5"),
    "a class behind >>": bad(lambda g: g["h"] >> Dense, GraphError, "got the class Dense: call it first, Dense(…)"),
    "too many nodes": bad(
        lambda g: Dense(3)(g["h"], g["x"]), ShapeError, "Dense 'dense' takes 1 input, got 2", "join them first"
    ),
    "too few nodes": bad(lambda g: mg.layers.MatMul()(g["h"]), ShapeError, "MatMul 'mat_mul' takes 2 inputs, got 1"),
    "another graph's node": bad(
        lambda g: g.add(Dense(3), mg.Graph("other").input("u", 3)),
        GraphError,
        "two graphs: 'x' is in 'net' (added at",
        "'u' is in 'other' (added at",
        "g.add(graph, …)",
    ),
    "nodes of two graphs": bad(
        lambda g: Add()(g["x"], mg.Graph("other").input("u", 3)), GraphError, "Add can't mix nodes of two graphs", "'u'"
    ),
    "a name twice": bad(
        lambda g: g.add(Dense(3), g["h"], name="y"),
        GraphError,
        "there is node 'y' (added at refusals.py:",
        "choose another name",
    ),
    "an input's name twice": bad(lambda g: g.input("x", 3), GraphError, "there is node 'x'", "choose another name"),
    "a name that is a number": bad(lambda g: g.input(3, 3), GraphError, "a name is text, got 3", "name='…'"),
    "a layer's name twice": bad(
        lambda g: Dense(3, name="h")(g["x"]), GraphError, "there is node 'h'", "choose another name"
    ),
    "integers for floats": bad(
        lambda g: g.add(Dense(3), g["index"]),
        ShapeError,
        "Dense 'dense' takes floats, got the integers of 'index'",
        "without dtype=int, or put Embedding before it",
    ),
    "weights of another shape": bad(
        lambda g: g["h"].layer(g["h"]),
        ShapeError,
        "Dense 'dense' has w of shape (4, 3) already",
        "needs (4, 4)",
        "use another Dense here",
    ),
    "weights of another dtype": bad(
        lambda g: Dense(4, weights=net("float32")["h"].layer.w)(g["x"]),
        GraphError,
        "Dense 'dense' has w of float32",
        "this graph computes in float64",
        "give both graphs one dtype",
    ),
    "an array as weights": bad(
        lambda g: Dense(4, weights=np.ones((4, 3)))(g["x"]), GraphError, "takes no array", "layer.w.value = array"
    ),
    "no such weights": bad(
        lambda g: Dense(4, weights="glorot")(g["x"]),
        GraphError,
        "Dense 'dense' has no initializer 'glorot'",
        "take one of",
    ),
    "division by 0": bad(lambda g: g["h"] / 0, GraphError, "node 'h' / takes numbers other than 0, got 0"),
    "a matrix behind @": bad(
        lambda g: g["h"] @ X, GraphError, "node 'h' @ takes another node", "put Dense(…)", "(4, 3)"
    ),
}

BLOCKS = {
    "a graph in itself": bad(lambda g: g.add(g, g["x"]), GraphError, "can't be a block of itself", "g.copy()"),
    "too many nodes for a block": bad(
        lambda g: g.add(mg.Sequential(3, Dense(2)), g["x"], g["h"]),
        GraphError,
        "block 'sequential'",
        "takes 1 input ('x'), got 2",
    ),
    "another shape than a block's": bad(
        lambda g: g.add(mg.Sequential(3, Dense(2)), g["h"]),
        ShapeError,
        "takes samples of shape (3,) float64 as 'x'",
        "got 'h' of shape (4,)",
        "put Reshape or Dense between",
    ),
    "another dtype than a block's": bad(
        lambda g: g.add(mg.Sequential(3, Dense(2), dtype="float32"), g["x"]),
        GraphError,
        "computes in float32",
        "'net' in float64",
        "copy('float64')",
    ),
    "a block without an output": bad(
        lambda g: g.add(mg.Graph("empty"), g["x"]), GraphError, "block 'empty'", "takes 0 inputs (), got 1"
    ),
}


def judged(output, target):
    g = mg.Graph()
    u, v = g.input("u", output), g.input("v", target)
    g.cost(Quadratic(), u, target=v)  # judged here


COSTS = {
    "a layer as cost": bad(lambda g: g.cost(Dense(3), g["h"]), GraphError, "takes a cost", "got Dense(…): g.add"),
    "a class as cost": bad(lambda g: g.cost(Quadratic, g["h"]), GraphError, "takes a cost", "got the class Quadratic"),
    "a name as cost": bad(lambda g: g.cost("mse", g["h"]), GraphError, "takes a cost from minigraph.costs, got 'mse'"),
    "two outputs for one cost": bad(
        lambda g: g.cost(Quadratic(), g["h"], g["y"], target="u"),
        ShapeError,
        "judges 1 of a graph's outputs, got 2",
        "give each output a cost of its own",
    ),
    "one output for a cost of two": bad(
        lambda g: g.cost(CosineEmbedding(), g["h"], target="u"), ShapeError, "judges 2", "got 1", "name them all"
    ),
    "a target nobody takes": bad(
        lambda g: g.cost(TripletMargin(), g["h"], g["h"], g["h"], target="u"),
        GraphError,
        "TripletMargin takes no target",
        "got 'u': leave it out",
    ),
    "a target that is computed": bad(
        lambda g: g.cost(Quadratic(), g["h"], target=g["y"]),
        GraphError,
        "takes an input as its target",
        "got the computed 'y', to which no error would flow",
        "put StopGradient() between",
    ),
    "a target of another shape": bad(
        lambda g: g.cost(Quadratic(), g["h"], target="t"),
        ShapeError,
        "Quadratic 'quadratic' takes targets of its output's",
        "shape (4,), got (2,)",
        "nothing is broadcast, declare targets of that shape",
    ),
    "(m,) against (m, 1)": bad(
        lambda g: judged((1,), ()),
        ShapeError,
        "takes targets of its output's shape (1,), got ()",
        "nothing is broadcast, put Reshape(()) before it",
        at="judged here",
    ),
    "(m, 1) against (m,)": bad(
        lambda g: judged((), (1,)),
        ShapeError,
        "takes targets of its output's shape (), got (1,)",
        "nothing is broadcast, put Reshape((1,)) before it",
        at="judged here",
    ),
    "weights of more than a number": bad(
        lambda g: g.cost(Quadratic(), g["y"], target="t", weights="x"),
        ShapeError,
        "one weight an example, of shape ()",
        "got (3,)",
        "declare them so",
    ),
    "a penalty on nothing": bad(
        lambda g: g.cost(L2(0.1, of="z*")), GraphError, "L2 found no Param 'z*'", "has h.w, h.b"
    ),
}

MEMORY = "needs more memory than there is"
SIZES = {
    "weights beyond memory": bad(
        lambda g: Dense(HUGE)(g["h"]), ShapeError, "Dense 'dense'", MEMORY, str((HUGE, 4)), "take smaller sizes"
    ),
    "weights beyond all arrays": bad(
        lambda g: Dense(2**70)(g["h"]), ShapeError, "Dense 'dense'", MEMORY, "smaller sizes"
    ),
    "rows beyond memory": bad(
        lambda g: Embedding(HUGE, 8)(g["index"]), ShapeError, "Embedding 'embedding'", MEMORY, "smaller sizes"
    ),
    "filters beyond memory": bad(
        lambda g: Conv2D(HUGE, 3)(mg.Graph().input("u", (1, 5, 5))), ShapeError, "Conv2D 'conv2d'", MEMORY, "smaller"
    ),
    "cells beyond memory": bad(
        lambda g: LSTM(HUGE)(mg.Graph().input("u", (5, 2))), ShapeError, "LSTM 'lstm'", MEMORY, "take smaller sizes"
    ),
    "statistics beyond memory": bad(
        lambda g: BatchNorm()(mg.Graph().input("u", HUGE)), ShapeError, "BatchNorm 'batch_norm'", MEMORY, "smaller"
    ),
    "images made beyond all arrays": bad(
        lambda g: UpSample2D(2**40)(mg.Graph().input("u", (1, 2, 2))),
        ShapeError,
        "UpSample2D 'up_sample2d' makes samples",
        "larger than any array",
        "smaller sizes",
    ),
}
TABLE = {**INPUTS, **ADDED, **BLOCKS, **COSTS, **SIZES}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_what_can_not_be_wired_is_named_with_what_is_taken_what_came_what_to_do_and_the_line(row):
    check(row)


def test_every_shape_that_a_layer_refuses_is_refused_in_one_short_line():
    for case in CASES:
        for refused in case.refuses:
            g = mg.Graph()
            inputs = [g.input(f"x{i}", sizes) for i, sizes in enumerate(refused.shapes)]
            with pytest.raises(ShapeError) as caught:
                g.add(case.make(), *inputs)
            assert len(str(caught.value)) <= LONGEST, caught.value
            assert "\n" not in str(caught.value)


def test_an_output_beyond_memory_is_named_with_its_node():
    g = mg.Graph()
    g.add(Pad([(0, HUGE)]), g.input("u", 3), name="wide")  # wide stands here
    check(
        bad(
            lambda _: g.forward(u=np.ones((1, 3))),
            LayerError,
            "Pad 'wide'",
            "forward failed with",
            "Unable to allocate",
            "feed fewer examples at once, or make the layer smaller",
            at="wide stands here",
        )
    )
