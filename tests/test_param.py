"""Param: an array with identity, a shape that stays, and a version."""

import copy
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest

import minigraph as mg
from minigraph import Param
from minigraph.costs import Quadratic
from minigraph.errors import ShapeError
from minigraph.layers import Dense


@pytest.fixture
def p():
    return Param([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "w")


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_param_owns_a_copy_in_row_major_order(order):
    theirs = np.array(np.arange(6.0).reshape(2, 3), order=order)
    p = Param(theirs)
    theirs[0, 0] = 99
    assert p.value[0, 0] == 0
    assert p.value.flags.c_contiguous
    assert (p.shape, p.size, p.dtype, p.name) == ((2, 3), 6, np.dtype("float64"), "param")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_param_keeps_its_precision_whatever_it_is_given(dtype):
    p = Param(np.ones(3, dtype))
    for value in (np.zeros(3, "float64"), np.zeros(3, "float32"), [1, 2, 3], np.array([True, False, True])):
        p.value = value
        assert p.dtype == p.value.dtype == dtype
        np.testing.assert_array_equal(p.value, np.asarray(value))


@pytest.mark.parametrize(
    "value", [1.0, np.float64(1), [1, 2], [True], ["a"], [1j], np.array([1.0], object), None], ids=repr
)
def test_a_param_takes_floats_with_an_axis(value):
    with pytest.raises(ShapeError, match="Param 'b' takes a float array with at least one axis, got "):
        Param(value, "b")


@pytest.mark.parametrize("shape", [(3,), (1, 3), (2, 1), (1, 1), (), (3, 2), (6,), (1, 2, 3), (2, 0)])
def test_assigning_another_shape_is_refused_and_changes_nothing(p, shape):
    before = p.fingerprint()
    with pytest.raises(ShapeError, match=re.escape(f"Param 'w' has shape (2, 3), got a value of {shape}")):
        p.value = np.zeros(shape)
    assert p.fingerprint() == before


@pytest.mark.parametrize("value", [[["a"] * 3] * 2, [[1j] * 3] * 2, [[None] * 3] * 2], ids=repr)
def test_assigning_no_numbers_is_refused_and_changes_nothing(p, value):
    before = p.fingerprint()
    with pytest.raises(ShapeError, match="Param 'w'"):
        p.value = value
    assert p.fingerprint() == before


def test_assigning_copies_into_the_same_array(p):
    array, theirs = p.value, np.zeros((2, 3))
    p.value = theirs
    theirs[...] = 7
    assert p.value is array
    assert not p.value.any()


def test_augmented_assignment_and_writing_into_the_array_work(p):
    array = p.value
    p.value += 1
    p.value[0, 1] *= 10
    p.value -= np.ones(3)
    assert p.value is array
    np.testing.assert_array_equal(array, [[1, 29, 3], [4, 5, 6]])


def test_a_view_of_itself_can_be_assigned(p):
    p.value = p.value[::-1, ::-1]
    np.testing.assert_array_equal(p.value, [[6, 5, 4], [3, 2, 1]])


def test_the_version_counts_assignments_and_touches(p):
    versions = [p.version]
    p.value = p.value + 1
    versions.append(p.version)
    p.value += 1
    versions.append(p.version)
    p.touch()
    versions.append(p.version)
    assert len(set(versions)) == 4
    assert versions == sorted(versions)


def test_a_param_that_comes_from_another_process_is_not_taken_for_changed():
    g = mg.Sequential(2, Dense(1), cost=Quadratic())
    code = (
        "import pickle, sys, numpy as np\n"
        "g = pickle.load(sys.stdin.buffer)\n"
        "g.forward(x=np.ones((1, 2)), t=np.ones((1, 1))).backward()"
    )
    for _ in range(1000):
        g["dense"].layer.w.touch()
    subprocess.run([sys.executable, "-c", code], input=pickle.dumps(g), check=True)


def test_the_fingerprint_changes_by_whichever_way_the_value_does(p):
    ways = [
        lambda: p.value.__setitem__((1, 2), np.nextafter(6.0, 7)),
        lambda: np.negative(p.value, out=p.value),
        lambda: setattr(p, "value", np.ones((2, 3))),
        lambda: p.value.__setitem__((0, 0), -0.0),
        lambda: p.value.__setitem__((0, 0), 0.0),
        lambda: p.recast("float32"),
    ]
    for change in ways:
        before = p.fingerprint()
        assert p.fingerprint() == before
        change()
        assert p.fingerprint() != before


def test_params_are_equal_only_to_themselves_and_can_be_keys(p):
    other = Param(p.value, "w")
    assert p == p
    assert p != other
    assert {p: 1, other: 2}[p] == 1


def test_copies_have_arrays_of_their_own(p):
    for twin in (copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        twin.value += 1
        assert (twin.name, twin.shape) == ("w", (2, 3))
        np.testing.assert_array_equal(twin.value, p.value + 1)


def test_repr_says_name_shape_and_dtype(p):
    assert repr(p) == "Param('w', shape=(2, 3), dtype=float64)"


# ---- as layers have them ----


def test_a_layer_lists_its_params_by_attribute():
    layer = Dense(2)
    mg.Sequential(3, layer)
    assert layer.params == {"w": layer.w, "b": layer.b}
    assert (layer.w.shape, layer.b.shape) == ((2, 3), (2,))
    layer = Dense(2, bias=False)
    mg.Sequential(3, layer)
    assert layer.params == {"w": layer.w}


def test_sharing_a_layer_is_sharing_its_params():
    layer = Dense(3)
    g = mg.Sequential(3, layer, layer)
    w = layer.w
    assert g.params == {"dense.w": w, "dense.b": layer.b}
    other = mg.Sequential(3, layer)
    assert other.params["dense.w"] is w


def test_a_further_use_that_does_not_fit_names_the_shapes_and_leaves_all_as_it_was():
    layer = Dense(4)
    g = mg.Graph()
    x = g.input("x", 3)
    h = g.add(layer, x, name="first")
    w = layer.w
    message = r"Dense 'again' has w of shape \(4, 3\) .* needs \(4, 4\).*use another Dense.*test_param\.py:\d+\)$"
    with pytest.raises(ShapeError, match=message):
        g.add(layer, h, name="again")
    assert layer.w is w
    assert len(g.nodes) == 2


def test_a_further_use_in_another_precision_is_refused():
    layer = Dense(3)
    mg.Sequential(3, layer)
    with pytest.raises(mg.errors.GraphError, match="has w of float64, but this graph computes in float32"):
        mg.Sequential(3, layer, dtype="float32")


def test_a_changed_weight_shows_in_the_next_sweep():
    g = mg.Sequential(2, Dense(1, weights="ones"), seed=0)
    run = g.forward(x=[[1.0, 2.0]])
    assert run["dense"].a.tolist() == [[3.0]]
    g.params["dense.w"].value = [[10.0, 1.0]]
    assert run.forward(x=[[1.0, 2.0]])["dense"].a.tolist() == [[12.0]]
    g.params["dense.b"].value[0] = 0.5
    assert run.forward(x=[[1.0, 2.0]])["dense"].a.tolist() == [[12.5]]
