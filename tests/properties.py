"""How properties are tried on random graphs, and how the numbers of runs are compared."""

import functools

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from oddities import alike
from random_graphs import COSTS, random_graphs
from random_layers import KINDS

from minigraph.errors import NoPathError, NotComputedError

FIXED = settings(
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    report_multiple_bugs=False,
)
EVERYTHING = "rough", "constant", "noisy", "mixing"


def holds_for(examples, *traits, without=()):
    """Make a test of a property of random graphs with these traits, and a slow one with more of them."""

    def decorate(holds):
        kinds = {name for name, kind in {**KINDS, **COSTS}.items() if kind.trait in (None, *traits)} - set(without)

        @pytest.mark.parametrize("times", [1, pytest.param(10, marks=pytest.mark.slow)], ids=["some", "many"])
        def test(times):
            seen = set()

            @functools.wraps(holds)
            def counting(w, data):
                seen.update(w.kinds)
                holds(w, data)

            tried = given(random_graphs(*traits, without=without), st.data())(counting)
            settings(FIXED, max_examples=examples * times)(tried)()
            assert len(seen) > (0.6 if times == 1 else 0.9) * len(kinds)

        test.__name__ = holds.__name__
        return test

    return decorate


def near(found, expected, size=0.0, rel=1e-11):
    """Equal but for rounding, which is relative to the largest element, or to a size where that may be 0."""
    assert np.shape(found) == np.shape(expected)
    assert np.abs(found - expected).max() <= rel * max(np.abs(expected).max(), size)


def attempt(read):
    """Numbers, or None where there is said to be no path, or nothing but frozen layers."""
    try:
        return read()
    except (NoPathError, NotComputedError):
        return None


def gradients(run):
    return {name: attempt(functools.partial(run.grad, param)) for name, param in run.graph.params.items()}


def swept(w, feeds=None, **options):
    return w.forward(feeds, seed=5, **options).backward(wrt=w.floats())


def same_numbers(one, other):
    """Two runs tell the same, bit for bit."""
    alike(one, other)
    assert one.costs == other.costs
    for found, expected in zip(gradients(one).values(), gradients(other).values(), strict=True):
        assert (found is None) == (expected is None)
        assert found is None or found.tobytes() == expected.tobytes()
