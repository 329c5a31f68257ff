"""Weights alone: they go into a graph that is there, wholly or not at all."""

import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

import minigraph as mg
from minigraph.errors import FileError
from minigraph.layers import BatchNorm, Dense, Scale


def normed(seed=0, dtype="float64"):
    return mg.Sequential(3, Dense(4), BatchNorm(), Dense(2), seed=seed, dtype=dtype)


def held(g):
    arrays = [p.value for p in g.params.values()] + [g["batch_norm"].layer.mean, g["batch_norm"].layer.variance]
    return [a.tobytes() for a in arrays]


def weights(g):
    norm = g["batch_norm"].layer
    found = {name: p.value.copy() for name, p in g.params.items()}
    return found | {"batch_norm.mean": norm.mean + 1.0, "batch_norm.variance": norm.variance + 1.0}


def test_weights_go_in_from_a_mapping_a_file_of_ours_and_any_other(tmp_path):
    other = normed(seed=1)
    assert normed().load_weights(weights(other)) == ((), ())
    other.load_weights(weights(other))
    save_file(weights(other) | {"batch_norm.mean": other["batch_norm"].layer.mean}, tmp_path / "foreign")
    for source in (weights(other), other.save(tmp_path / "ours"), str(tmp_path / "foreign")):
        g = normed()
        before = [p.value for p in g.params.values()]
        g.load_weights(source)
        assert all(p.value is array for p, array in zip(g.params.values(), before, strict=True))
        assert np.array_equal(g["dense"].layer.w.value, other["dense"].layer.w.value)
        assert (g["batch_norm"].layer.mean > 0.5).all()


def test_arrays_among_the_options_are_no_weights(tmp_path):
    g = mg.Sequential(3, Scale(np.ones(3)), Dense(2), seed=0)
    assert g.load_weights(g.save(tmp_path / "constants")) == ((), ())


def without(name):
    return lambda found: found.pop(name)


def instead(name, array):
    return lambda found: found.update({name: array})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without("dense.w"), r"the mapping doesn't fit graph 'sequential': it lacks 'dense\.w'; strict=False"),
        (without("batch_norm.mean"), r"lacks 'batch_norm\.mean'"),
        (instead("dense_9.w", np.ones(2)), r"it has 'dense_9\.w', which the graph hasn't"),
        (
            instead("dense_1.w", np.ones((4, 2))),
            r"'dense_1\.w' takes an array of shape \(2, 4\), got \(4, 2\).*transpose",
        ),
        (instead("dense_1.b", np.ones(1)), r"'dense_1\.b' takes an array of shape \(2,\), got \(1,\)"),
        (instead("dense_1.b", 1.0), r"got \(\)"),
        (instead("batch_norm.variance", np.ones((1, 4))), r"'batch_norm\.variance' .* got \(1, 4\)"),
        (instead("dense_1.b", np.array(["a", "b"])), "takes real numbers"),
        (instead("dense_1.b", np.ones(2) * 1j), "takes real numbers"),
        (instead("dense_1.b", [[1.0], [2.0, 3.0]]), "makes no array"),
        (instead("dense_1.b", np.ma.masked_array([1.0, 2.0], [True, False])), "takes real numbers"),
    ],
)
def test_weights_that_do_not_fit_are_named_and_nothing_is_changed(change, told):
    g = normed()
    found, before = weights(normed(seed=1)), held(g)
    change(found)
    with pytest.raises(FileError, match=told):
        g.load_weights(found)
    assert held(g) == before


def test_without_strict_names_may_differ_and_are_told():
    g, found = normed(dtype="float32"), weights(normed(seed=1))
    del found["dense.w"]
    found["head.w"] = np.ones(3)
    kept = g["dense"].layer.w.value.copy()
    with pytest.raises(FileError, match=r"'dense\.w' is of float32, the mapping has it in float64"):
        g.load_weights(weights(normed()))
    assert g.load_weights(found, strict=False) == (("dense.w",), ("head.w",))
    assert np.array_equal(g["dense"].layer.w.value, kept)
    assert np.array_equal(g["dense_1"].layer.w.value, found["dense_1.w"].astype("float32"))
    normed().load_weights({name: array.astype("float32") for name, array in weights(g).items()})  # nothing is lost


def test_numbers_beyond_the_dtype_are_refused():
    g = normed(dtype="float32")
    with pytest.raises(FileError, match=r"'dense\.b' .* has numbers beyond the largest of float32"):
        g.load_weights({"dense.b": np.full(4, 1e300)}, strict=False)
    g.load_weights({"dense.b": np.full(4, np.inf)}, strict=False)  # as it was given


def test_names_of_which_none_fits_are_refused_without_strict_too():
    with pytest.raises(FileError, match=r"has none of the names of graph 'sequential', which takes 'dense\.w'"):
        normed().load_weights({"0.weight": np.ones(3)}, strict=False)
    with pytest.raises(mg.errors.GraphError, match="strict is True or False"):
        normed().load_weights({}, strict="no")


def test_an_interrupt_in_the_middle_leaves_all_as_it_was():
    g = normed()
    found, before = weights(normed(seed=1)), held(g)
    stopped = []

    def stop(frame, event, arg):
        setting = event == "call" and frame.f_code is mg.Param.value.fset.__code__
        if setting and not stopped and held(g) != before:  # some are in, others aren't
            stopped.append(True)
            raise KeyboardInterrupt

    sys.settrace(stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            g.load_weights(found)
    finally:
        sys.settrace(None)
    assert stopped
    assert held(g) == before


def test_weights_loaded_into_a_run_make_it_stale():
    g = normed()
    run = g.forward(x=np.ones((2, 3)))
    g.load_weights(weights(normed(seed=1)))
    with pytest.raises(mg.errors.StaleError):
        run.backward("dense_1", np.ones((2, 2)))
