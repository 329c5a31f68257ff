"""A graph made again gives the same numbers: in another order, as a copy, from a file, after edits that are undone."""

import copy
import functools
import pickle
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from oddities import custom, everything
from properties import EVERYTHING, attempt, gradients, holds_for, near, same_numbers, swept
from wirings import rebuilt

import minigraph as mg
from minigraph.costs import Cost, Penalty
from minigraph.layers import BatchNorm, Identity, Input


def consumers(run):
    """For each node of a run what takes its output, as names and slots, in the order of the sweeps."""
    takers = {view.node.name: [] for view in run}
    for view in run:
        for slot, source in enumerate(view.node.inputs):
            takers[source.name].append((view.node.name, slot))
    return takers


@holds_for(45, *EVERYTHING)
def test_the_order_in_which_nodes_are_added_changes_nothing_but_the_order_of_sums(w, data):
    rng, waiting, order = np.random.default_rng(data.draw(st.integers(0, 99))), list(w.graph.nodes), []
    while waiting:
        ready = [node for node in waiting if all(source in order for source in node.inputs)]
        order.append(ready[rng.integers(len(ready))])
        waiting.remove(order[-1])
    run, other = swept(w), swept(rebuilt(w, order))
    one, two = everything(run), everything(other)
    assert one.keys() == two.keys()
    takers, others = consumers(run), consumers(other)
    exact = {}
    for view in reversed(list(run)):
        name = view.node.name
        exact[name] = takers[name] == others[name] and all(exact[taker] for taker, _ in takers[name])
    for key, array in one.items():
        if isinstance(key, str) or exact[key[0]]:  # what is computed forward, and errors that are added up in order
            assert array.tobytes() == two[key].tobytes(), key
        else:
            near(two[key], array, size=1e-3)
    assert run.costs == {name: other.costs[name] for name in run.costs}
    near(other.cost, run.cost, size=1e-3)
    twins = dict(zip(order, other.graph.nodes, strict=True))
    for node in w.graph:
        for attribute, param in node.layer.params.items():
            twin = twins[node].layer.params[attribute]
            found, expected = (attempt(functools.partial(r.grad, p)) for r, p in ((other, twin), (run, param)))
            assert (found is None) == (expected is None)
            if found is not None:
                uses = [[use.name for use in r.trained().uses[p]] for r, p in ((run, param), (other, twin))]
                if uses[0] == uses[1] and all(exact[use] for use in uses[0]):
                    assert found.tobytes() == expected.tobytes()
                else:
                    near(found, expected, size=1e-3)


# ---- edits that are undone ----


def stand_in(node):
    """A layer of another kind that fits where a node is."""
    return custom(
        build=lambda self, *shapes, **_: node.shape,
        forward=lambda self, at, *inputs: np.full((at.m, *node.shape), 0.5),
        backward=lambda self, at, error: [None] * len(node.inputs) if len(node.inputs) > 1 else None,
        constants=lambda self, shapes: frozenset(range(len(shapes))),
    )


def replaced(g, node, name):
    layer = node.layer
    g.replace(node, stand_in(node))
    yield
    g.replace(name, layer)


def inserted(g, node, name):
    slots = [slot for slot in range(len(node.inputs)) if slot not in node.constant_inputs]
    new = g.insert(Identity(), between=(node.inputs[slots[0]], node)).name if slots else None
    yield
    if new is not None:
        g.remove(new)


def renamed(g, node, name):
    g.rename(node, f"not {name}")
    yield
    g.rename(f"not {name}", name)


def begun(edit, w, data):
    """Begin an edit of some node that bears it; what is left of it takes it back."""
    g = w.graph
    kept = (Input, Cost) if edit is replaced else Input
    punished = {param for node in g.find(Penalty) for param in node.layer.chosen.values()}  # which it can't do without
    nodes = [n for n in g if not isinstance(n.layer, kept) and punished.isdisjoint(n.layer.params.values())]
    rest = iter(())
    if nodes:
        node = data.draw(st.sampled_from(nodes))
        rest = edit(g, node, node.name)
        next(rest)
    g.warned = g.edition
    return rest


def undo(rest, w):
    assert list(rest) == []
    w.graph.warned = w.graph.edition


@holds_for(40, *EVERYTHING)
def test_edits_that_are_undone_leave_all_numbers_as_they_were(w, data):
    run, begins = swept(w), []
    expected, costs = {**everything(run), **gradients(run)}, run.costs
    for edit in data.draw(st.lists(st.sampled_from([replaced, inserted, renamed]), min_size=1, max_size=4)):
        begins.append(begun(edit, w, data))
        swept(w)
    for rest in reversed(begins):
        undo(rest, w)
    run = swept(w)
    found = {**everything(run), **gradients(run)}
    assert run.costs == costs
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        assert found[key] is array is None or found[key].tobytes() == array.tobytes()


# ---- copies ----

COPIES = mg.Graph.copy, copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g)), lambda g: loaded(g)


def loaded(g):
    """The graph that a file tells of."""
    with tempfile.TemporaryDirectory() as folder:
        return mg.load(g.save(Path(folder) / "graph.safetensors"))


@holds_for(30, *EVERYTHING)
def test_copies_give_the_same_numbers_bit_for_bit(w, data):
    undo(begun(replaced, w, data), w)  # so that nodes aren't numbered in their order any more
    training = data.draw(st.booleans()) and not w.graph.find(BatchNorm)
    before, text = swept(w, training=training), w.graph.picture().dot
    for way in COPIES:
        twin = copy.copy(w)
        twin.graph = way(w.graph)
        twin.graph.warned = twin.graph.edition
        same_numbers(before, swept(twin, training=training))
        assert twin.graph.picture().dot == text
