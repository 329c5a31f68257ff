"""Layers that break their contract: each row names what it must be told, and the line that added the layer."""

from dataclasses import dataclass

import numpy as np
import pytest
from oddities import Pair, Scale, Through, custom
from refusals import T, X, bad, check

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.errors import LayerError
from minigraph.layers import Concat, Dense, Dropout, Identity, Layer


def around(layer, dtype="float64", pair=False):
    """x -> h -> the layer -> y -> cost; a pair takes h and x."""
    g = mg.Graph("around", seed=0, dtype=dtype)
    x = g.input("x", 3)
    h = Dense(3, "tanh", name="h")(x)
    node = g.add(layer, *((h, x) if pair else (h,)), name="own")  # own stands here
    g.cost(Quadratic(), Dense(2, name="y")(node))
    return g


def back(**methods):
    """Forward and backward through a layer with other methods."""
    options = {key: methods.pop(key) for key in ("dtype", "pair") if key in methods}
    base = methods.pop("base", Pair if "pair" in options else Through)
    return lambda g: around(custom(base, **methods), **options).forward(x=X, t=T).backward()


def told(do, *names):
    return bad(do, LayerError, "Custom 'own' (added at", *names, at="own stands here")


def forward(forward, *names, **options):
    return told(back(forward=lambda self, at, *xs: forward(at, *xs), **options), "forward", *names)


def backward(backward, *names, **options):
    return told(back(backward=backward, **options), "backward", *names)


def doubled(x):
    x *= 2
    return x


def filled(x):
    x[x < 0] = 0
    return x


def ordered(x):
    x.sort(axis=1)
    return x


RETURN = "must return an array of shape (4, 3) float64, got"
IN_PLACE = "is read-only", "what a layer is handed isn't its own, copy it first, x = x.copy()"

FORWARD = {
    "nothing": forward(lambda at, x: None, f"{RETURN} None", "is a line missing?"),
    "a list": forward(lambda at, x: x.tolist(), f"{RETURN} a list of 4", "give the array itself"),
    "a tuple": forward(lambda at, x: (x,), f"{RETURN} a tuple of 1", "give the array itself"),
    "a number": forward(lambda at, x: 1.0, f"{RETURN} 1.0", "give the array itself"),
    "text": forward(lambda at, x: "x", f"{RETURN} 'x'", "give the array itself"),
    "its Param": told(
        back(base=Scale, forward=lambda self, at, x: self.p),
        f"forward {RETURN} Param('p', shape=(3,)",
        "give the array itself",
    ),
    "its Param's value": told(
        back(base=Scale, forward=lambda self, at, x: self.p.value),
        f"{RETURN} an array of shape (3,) float64",
        "mind the axes",
    ),
    "a row too few": forward(lambda at, x: x[1:], f"{RETURN} an array of shape (3, 3)", "a row for each example"),
    "one row for all": forward(lambda at, x: x[:1], f"{RETURN} an array of shape (1, 3)", "a row for each example"),
    "transposed": forward(lambda at, x: x.T, f"{RETURN} an array of shape (3, 4)", "mind the axes"),
    "without its axis": forward(lambda at, x: x.sum(axis=1), f"{RETURN} an array of shape (4,)", "mind the axes"),
    "float32": forward(lambda at, x: x.astype("f4"), f"{RETURN} an array of shape (4, 3) float32", ".astype(at.dtype)"),
    "float64 in a graph of float32": forward(
        lambda at, x: x * np.ones(3),
        "must return an array of shape (4, 3) float32, got an array of shape (4, 3) float64",
        "compute in at.dtype",
        dtype="float32",
    ),
    "complex": forward(lambda at, x: x * 1j, f"{RETURN} an array of shape (4, 3) complex128", ".astype(at.dtype)"),
    "booleans": forward(lambda at, x: x > 0, f"{RETURN} an array of shape (4, 3) bool", ".astype(at.dtype)"),
    "masked": forward(lambda at, x: np.ma.masked_array(x), f"{RETURN} a MaskedArray of shape", "np.asarray(…) of it"),
    "a matrix": forward(lambda at, x: x.view(np.matrix), f"{RETURN} a matrix of shape (4, 3)", "np.asarray(…) of it"),
    "an exception": forward(lambda at, x: x[:, 9], "failed with IndexError: index 9 is out of bounds"),
    "a long exception": forward(lambda at, x: {}["k" * 1000], "failed with KeyError: 'kkk", "kkk…"),
    "too much memory": forward(lambda at, x: np.empty((10**8, 10**9)), "Unable to allocate", "fewer examples at once"),
    "its input, doubled": forward(lambda at, x: doubled(x), "failed with ValueError", *IN_PLACE),
    "its input, cut off": forward(lambda at, x: filled(x), "failed with ValueError", *IN_PLACE),
    "its input, sorted": forward(lambda at, x: ordered(x), "failed with ValueError", *IN_PLACE),
    "its second input, doubled": forward(lambda at, x, y: x * doubled(y), "ValueError", *IN_PLACE, pair=True),
    "what stands on at, doubled": forward(lambda at, x: doubled(at.inputs[0]), "ValueError", *IN_PLACE),
    "a view of its input, doubled": forward(lambda at, x: doubled(x.T).T, "ValueError", *IN_PLACE),
}


FOR_INPUT = "backward must return an array of shape (4, 3) float64 for input"
BACKWARD = {
    "nothing": backward(lambda self, at, e: None, f"{FOR_INPUT} 0, got None", "is a line missing?"),
    "a list": backward(lambda self, at, e: e.tolist(), f"{FOR_INPUT} 0, got a list of 4", "give the array itself"),
    "a tuple of one": backward(lambda self, at, e: (e,), f"{FOR_INPUT} 0, got a tuple of 1", "give the array itself"),
    "a number": backward(lambda self, at, e: 0.0, f"{FOR_INPUT} 0, got 0.0", "give the array itself"),
    "the mean": backward(
        lambda self, at, e: e.mean(axis=0), f"{FOR_INPUT} 0, got an array of shape (3,)", "mind the axes"
    ),
    "a row too few": backward(
        lambda self, at, e: e[1:], f"{FOR_INPUT} 0, got an array of shape (3, 3)", "for each example"
    ),
    "transposed": backward(lambda self, at, e: e.T, f"{FOR_INPUT} 0, got an array of shape (3, 4)", "mind the axes"),
    "float32": backward(lambda self, at, e: e.astype("f4"), f"{FOR_INPUT} 0", "(4, 3) float32", ".astype(at.dtype)"),
    "float64 in a graph of float32": backward(
        lambda self, at, e: e * np.ones(3), "float32 for input 0", "(4, 3) float64", "in at.dtype", dtype="float32"
    ),
    "a matrix": backward(lambda self, at, e: e.view(np.matrix), f"{FOR_INPUT} 0, got a matrix", "np.asarray(…)"),
    "an exception": backward(lambda self, at, e: e @ e, "backward failed with ValueError: matmul: Input operand"),
    "what came back, doubled": backward(lambda self, at, e: doubled(e), "backward failed with", *IN_PLACE),
    "what came in, doubled": backward(lambda self, at, e: e * doubled(at.inputs[0]), "backward failed", *IN_PLACE),
    "what came back as it stands on at, doubled": backward(lambda self, at, e: doubled(at.error), *IN_PLACE),
    "nothing for two": backward(
        lambda self, at, e: None, "must return 2 errors", "got None: return a tuple", pair=True
    ),
    "one for two": backward(lambda self, at, e: e, "must return 2 errors, one an input", "return a tuple", pair=True),
    "three for two": backward(
        lambda self, at, e: (e, e, e), "2 errors", "got a tuple of 3", "return a tuple", pair=True
    ),
    "none for the first": backward(lambda self, at, e: (None, e), f"{FOR_INPUT} 0, got None", "a line", pair=True),
}


def graded(share, *names):
    """A backward that sets something else as its Param's gradient, None for nothing."""

    def set_grad(self, at, error):
        if share is not None:
            at.grad[self.p] = share(error)
        return error

    return told(back(base=Scale, backward=set_grad), "backward must set at.grad[self.p] to", *names)


def stray(self, at, error):
    at.grad[mg.Param(np.ones(3))] = at.grad[self.p] = error.sum(axis=0)
    return error


GRADED = "an array of shape (3,) float64, got"
GRADIENTS = {
    "no gradient": graded(None, f"{GRADED} None", "is a line missing?"),
    "a gradient for each example": graded(lambda e: e, f"{GRADED} an array of shape (4, 3)", "sum over the examples"),
    "a gradient as a row": graded(lambda e: e[:1], f"{GRADED} an array of shape (1, 3)", "sum over the examples"),
    "a gradient of float32": graded(
        lambda e: e[0].astype("f4"), f"{GRADED} an array of shape (3,) float32", "at.dtype"
    ),
    "a gradient that is a number": graded(lambda e: e.sum(), GRADED, "give the array itself"),
    "a gradient for a stranger": told(
        back(base=Scale, backward=stray), "set at.grad for a Param that is no attribute of the layer", "keep it as one"
    ),
}


def built(result, *names, kind=LayerError):
    layer = custom(build=lambda self, shape, **_: result)
    return bad(lambda g: g.add(layer, g["h"], name="own"), kind, "Custom 'own'", *names)


def broken(fault):
    def build(self, shape, **_):
        raise fault

    return bad(
        lambda g: g.add(custom(build=build), g["h"], name="own"), LayerError, "Custom 'own'", "build failed with"
    )


@dataclass(eq=False)
class Unfinished(Layer):
    def build(self, shape, **_):
        return shape


SHAPE = "build must return a sample shape, a tuple, got"
BUILD = {
    "no shape": built(None, f"{SHAPE} None"),
    "a number for a shape": built(3, f"{SHAPE} 3"),
    "a list for a shape": built([3], f"{SHAPE} [3]"),
    "a size of 0": built((3, 0), f"{SHAPE} (3, 0)"),
    "a size that is a float": built((3.0,), f"{SHAPE} (3.0,)"),
    "a shape beyond all arrays": built(
        (2**62,), "larger than any array", "take smaller sizes", kind=mg.errors.ShapeError
    ),
    "an exception in build": broken(ZeroDivisionError("no")),
    "no forward": told(lambda g: around(type("Custom", (Unfinished,), {})()).forward(x=X, t=T), "no forward(self, at"),
    "no backward": told(
        back(base=type("Base", (Unfinished,), {"forward": lambda self, at, x: x})), "has no backward(self, at, error)"
    ),
}
TABLE = {
    f"{name} from {where}": row
    for where, rows in (("forward", FORWARD), ("backward", BACKWARD), ("backward", GRADIENTS), ("build", BUILD))
    for name, row in rows.items()
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_a_layer_that_breaks_its_contract_is_named_with_what_it_owes_what_it_gave_and_what_to_do(row):
    check(row)


# ---- writing into what is handed over ----


@pytest.mark.parametrize(
    "options", [{}, {"training": True}, {"guard": False}, {"training": True, "guard": False}], ids=str
)
def test_whichever_run_it_is_a_layer_that_writes_into_its_input_is_stopped(options):
    g = around(custom(forward=lambda self, at, x: doubled(x)))
    with pytest.raises(LayerError, match=r"'own'.*copy it first"):
        mg.Run(g, **options).forward(x=X, t=T)
    with pytest.raises(LayerError, match=r"'own'.*copy it first"):
        mg.fit(g, {"x": X, "t": T}, epochs=1, batch_size=2, optimizer=mg.SGD(0.1), progress=False)


def test_what_is_predicted_from_stays_as_it_is():
    g = mg.Graph()
    g.output(g.add(custom(forward=lambda self, at, x: doubled(x)), g.input("x", 3), name="own"))
    x = X.copy()
    for predict in (lambda: mg.predict(g, x=x), lambda: g.forward(x=x)):
        with pytest.raises(LayerError, match=r"'own'.*copy it first"):
            predict()
    assert np.array_equal(x, X)


def test_layers_see_the_arrays_themselves_once_they_are_known_to_leave_them_alone():
    seen = []

    def forward(self, at, x):
        seen.append(("forward", x.flags.writeable, at.inputs[0] is x))
        return x

    def backward(self, at, error):
        seen.append(("backward", error.flags.writeable, at.inputs[0].flags.writeable, at.error is error))
        return error

    g = around(custom(forward=forward, backward=backward))
    run = mg.Run(g, training=True, guard=False)
    for sweep in range(6):
        observe = None if sweep < 4 else lambda node, record: None  # which calls layers one by one
        run.forward(x=X, t=T, observe=observe).backward(observe=observe)
    assert seen[:2] == [("forward", False, True), ("backward", False, False, True)]
    assert set(seen[2:]) == {("forward", True, True), ("backward", True, True, True)}


@pytest.mark.parametrize("layer", [Identity, lambda: Dropout(0.5), custom], ids=["Identity", "Dropout", "Custom"])
def test_layers_that_pass_on_their_input_hand_on_the_array_itself(layer):
    g = mg.Graph(seed=0)
    h = Dense(3, "tanh", name="h")(g.input("x", 3))
    passed = g.add(layer(), h, name="passed")
    g.cost(Quadratic(), Dense(2)(Concat()(passed, h)))
    run = g.forward(x=X, t=T).backward()
    sweep = run.swept()
    assert sweep.outputs[passed.id] is sweep.outputs[h.id] is sweep.records[h].a
    assert run.swept_back().sent[passed.id] is sweep.records[passed].error
    assert sweep.records[passed].inputs[0].flags.writeable
