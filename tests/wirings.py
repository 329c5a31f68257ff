"""The table of awkward graphs: one row each, wired and fed.

A row wires the graph that it is handed and says what is special about it. Every property in test_wirings.py then holds
for it. Activations are smooth, so that differences tell the truth and no gradient is 0 by chance.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

import minigraph as mg
from minigraph.costs import BinaryCrossEntropy, Quadratic, SoftmaxCrossEntropy
from minigraph.layers import Add, Concat, Dense, Flatten, Identity, Input, Multiply, Reshape, StopGradient, Subtract

ROWS: dict[str, Callable] = {}


@dataclass
class Wired:
    """A graph with what a run of it takes."""

    graph: mg.Graph
    feeds: dict
    until: tuple | None = None
    dead: tuple = field(default=())
    """Names of the nodes that no output depends on."""

    def forward(self, feeds=None, **options):
        return self.graph.forward(self.feeds if feeds is None else feeds, until=self.until, **options)

    def floats(self):
        """The inputs that this run takes and that an error can flow to."""
        return [node for node in self.graph.free_inputs if node.name in self.feeds and node.dtype.kind == "f"]


def row(wire):
    ROWS[wire.__name__] = wire
    return wire


def wired(name, dtype="float64", m=4, seed=1):
    """The graph of a row, or a random one for a number instead of a name, with feeds for m examples."""
    g = mg.Graph(str(name), seed=seed, dtype=dtype)
    special = (random_graph(g, name) if isinstance(name, int) else ROWS[name](g)) or {}
    g.warned = g.edition  # whether and when it warns of dead nodes is tested in test_graph.py
    rng = np.random.default_rng(seed + 100)
    for param in g.params.values():  # biases away from 0, weights away from any symmetry
        param.value = param.value + rng.normal(scale=0.2, size=param.shape)
    return Wired(g, feeds(g, m, seed, special.get("until")), **special)


def feeds(g, m, seed=1, until=None):
    """Arrays for the inputs that a run until some nodes takes."""
    rng = np.random.default_rng(seed)
    wanted = ancestors(g, until)
    return {node.name: draw(rng, node, m) for node in g.nodes if isinstance(node.layer, Input) and node in wanted}


def draw(rng, node, m):
    shape = (m, *node.shape)
    return rng.integers(0, 2, shape) if node.dtype.kind == "i" else rng.uniform(0.1, 0.9, shape).astype(node.dtype)


def ancestors(g, until):
    """What the named nodes depend on; everything for None."""
    wanted = set(g.nodes if until is None else (g[name] for name in until))
    for node in reversed(g.nodes):
        if node in wanted:
            wanted.update(node.inputs)
    return wanted


def rebuilt(source, order=None, between=lambda *edge: None, instead=lambda node: None):
    """The same graph added again node by node, in another order if given; Params are copies, shared where they were.

    `between(source, target, slot)` may give a layer to put on that edge, `instead(node)` one for a node's own.
    """
    g, memo, twins = source.graph, {}, {}
    twin = mg.Graph(g.name, dtype=g.dtype.name)
    for node in order or g.nodes:
        if isinstance(node.layer, Input):
            twins[node] = twin.input(node.name, node.shape, node.dtype)
            continue
        sources = []
        for slot, before in enumerate(node.inputs):
            layer = between(before, node, slot)
            sources.append(twins[before] if layer is None else twin.add(layer, twins[before]))
        twins[node] = twin.add(instead(node) or copy.deepcopy(node.layer, memo), *sources, name=node.name)
    twin.output(*(node.name for node in g.outputs))
    twin.warned = twin.edition
    return Wired(twin, source.feeds, source.until, source.dead)


# ---- one row per wiring ----


def end(g, node, target="t"):
    return g.cost(Quadratic(), Dense(2, "sigmoid")(node), target=target)


@row
def chain(g):
    end(g, g.input("x", 4) >> Dense(5, "sigmoid") >> Dense(3, "tanh"))


@row
def fan_out(g):
    h = g.input("x", 3) >> Dense(4, "tanh", name="h")
    end(g, Concat()(Dense(2, "tanh")(h), Dense(3, "sigmoid")(h), h))


@row
def diamond(g):
    h = g.input("x", 3) >> Dense(4, "tanh", name="h")
    end(g, Subtract()(Dense(3, "tanh")(h), Dense(3, "sigmoid")(h)))


@row
def same_input_twice(g):
    h = g.input("x", 3) >> Dense(3, "tanh", name="h")
    end(g, Concat()(Multiply()(h, h), Add()(h, h), Subtract()(h, Multiply()(h, h, h))))


@row
def shared_twice(g):
    tower = Dense(4, "tanh")
    u, v = tower(g.input("left", 3), name="u"), tower(g.input("right", 3), name="v")
    end(g, Multiply()(u, v))


@row
def shared_three_times_in_a_row(g):
    again = Dense(3, "tanh", name="again")
    end(g, g.input("x", 3) >> again >> again >> again)


@row
def two_layers_with_one_param(g):
    first, second = Dense(3, "tanh"), Dense(3, "sigmoid")
    h = first(g.input("x", 3))
    second.w = first.w
    end(g, second(h))


@row
def skip(g):
    h = g.input("x", 3) >> Dense(3, "tanh")
    h = Add()(h, h >> Dense(4, "tanh") >> Dense(3, "tanh"))
    end(g, Add()(h, h >> Dense(3, "sigmoid"), g["x"]))


@row
def two_costs(g):
    h = g.input("x", 3) >> Dense(4, "tanh", name="h")
    g.cost(Quadratic(weight=0.3), h, target="hint")
    g.cost(SoftmaxCrossEntropy(), Dense(3)(h), target="label")


@row
def two_costs_of_one_node_that_goes_on(g):
    h = g.input("x", 3) >> Dense(4, "sigmoid", name="h")
    g.cost(Quadratic(), h, target="t1")
    g.cost(BinaryCrossEntropy(weight=2.0), h, target="t1")
    end(g, h, target="t2")


@row
def dead_branch(g):
    h = g.input("x", 3) >> Dense(4, "tanh", name="h")
    h >> Dense(2, "tanh", name="dead") >> Dense(3, name="dead too")
    end(g, h)
    return {"dead": ("dead", "dead too")}


@row
def dead_use_of_a_shared_layer(g):
    shared = Dense(3, "tanh", name="shared")
    h = g.input("x", 3) >> shared
    shared(h, name="dead")
    end(g, h)
    return {"dead": ("dead",)}


@row
def multi_input(g):
    image, vector, number = g.input("image", (2, 3)), g.input("vector", 4), g.input("number", ())
    h = Concat()(image >> Flatten() >> Dense(3, "tanh"), vector, number >> Reshape(1))
    g.cost(SoftmaxCrossEntropy(), Dense(3)(h), target="label")


@row
def several_outputs(g):
    h = g.input("x", 3) >> Dense(4, "tanh")
    u, v = Dense(2, "tanh", name="u")(h), Dense(3, "sigmoid", name="v")(h)
    g.cost(Quadratic(), u)
    g.output(v, u, h)


@row
def nested_block_twice(g):
    kind = g.dtype.name
    inner = mg.Sequential(3, Dense(4, "tanh"), Dense(3, "sigmoid"), cost=Quadratic(), name="inner", seed=5, dtype=kind)
    outer = mg.Sequential(3, inner, Dense(3, "tanh"), inner, name="outer", seed=6, dtype=kind)
    x = g.input("x", 3)
    end(g, Multiply()(outer(x), x >> inner >> outer))


@row
def block_with_several_inputs_and_outputs(g):
    block = mg.Graph("cell", seed=5, dtype=g.dtype.name)
    state, x = block.input("state", 3), block.input("x", 2)
    both = Dense(4, "tanh")(Concat()(state, x))
    block.output(Dense(3, "tanh")(both), Dense(2, "sigmoid")(both))
    state, first = block(g.input("start", 3), g.input("x1", 2))
    state, second = block(state, g.input("x2", 2), name="cell again")
    end(g, Concat()(state, first, second))


@row
def stop_gradient_in_the_middle(g):
    h = g.input("x", 3) >> Dense(3, "tanh", name="h")
    end(g, Multiply()(h, h >> StopGradient() >> Dense(3, "tanh", name="behind")))


@row
def computed_target(g):
    h = g.input("x", 3) >> Dense(3, "tanh")
    u, v = Dense(2, "tanh")(h), Dense(2, "sigmoid")(h)
    g.cost(Quadratic(), u, target=StopGradient()(v))
    g.cost(Quadratic(), v, target="t")


@row
def input_that_is_its_own_target(g):
    x = g.input("x", 3)
    g.cost(Quadratic(), x >> Dense(2, "tanh") >> Dense(3, "sigmoid"), target=x)


@row
def frozen_part(g):
    h = g.input("x", 3) >> Dense(3, "tanh", name="before") >> Dense(3, "tanh", name="ice", frozen=True)
    end(g, Add()(Dense(3, "sigmoid", frozen=True, name="side")(g.input("y", 2)), h))


@row
def ten_doublings(g):
    h = g.input("x", 2) >> Dense(2, "tanh", name="h")
    for _ in range(10):
        h = Add()(h, h)
    g.cost(Quadratic(), h)


@row
def twelve_diamonds(g):
    h = g.input("x", 2)
    for _ in range(12):
        h = Add()(Dense(2, "tanh")(h), Dense(2, "sigmoid")(h))
    g.cost(Quadratic(), h)


@row
def one_value_at_depths_1_3_5(g):
    h = g.input("x", 3) >> Dense(3, "tanh", name="h")
    node = Dense(3, "tanh")(h)
    for _ in range(2):
        node = Multiply()(node >> Dense(3, "tanh") >> Identity(), h)
    end(g, Add()(node, h))


@row
def twenty_inputs(g):
    nodes = [g.input(f"x{i}", 2) for i in range(20)]
    end(g, Concat()(Add()(*nodes), Multiply()(*nodes[:5]), Concat()(*nodes)))


@row
def run_of_a_part(g):
    h = g.input("x", 3) >> Dense(4, "tanh", name="h")
    g.cost(Quadratic(), Dense(2, "tanh", name="u")(h), target="t", name="wanted")
    end(g, Concat()(h, g.input("never fed", 2)), target="never fed either")
    return {"until": ("wanted",)}


# ---- any number of random ones ----


def random_graph(g, seed):
    """Up to 16 nodes, wired at random: layers shared and frozen, forks, dead ends, gradients stopped, two costs."""
    rng = np.random.default_rng(seed)
    nodes = [g.input(f"x{i}", int(rng.integers(2, 4))) for i in range(rng.integers(1, 4))]
    layers = []

    def any_node(width=None):
        return rng.choice([node for node in nodes if width in (None, node.shape[0])])

    for _ in range(rng.integers(4, 12)):
        kind = rng.integers(6)
        if kind < 2 or not layers:
            layers.append((Dense(int(rng.integers(2, 4)), rng.choice(["tanh", "sigmoid"])), any_node()))
            layers[-1][0].frozen = bool(rng.random() < 0.15)
            nodes.append(layers[-1][0](layers[-1][1]))
        elif kind == 2:  # a layer again
            layer, first = layers[rng.integers(len(layers))]
            nodes.append(layer(any_node(first.shape[0])))
        elif kind == 3:
            u = any_node()
            v = any_node(u.shape[0])
            merge = rng.choice([Add(), Multiply(), Subtract()])
            nodes.append(Add()(u, v) if u is v and isinstance(merge, Subtract) else merge(u, v))
        elif kind == 4:
            nodes.append(Concat()(any_node(), any_node()) >> Dense(3, "tanh"))
        else:
            nodes.append(any_node() >> rng.choice([Identity(), StopGradient()], p=[0.6, 0.4]))
    for i in range(rng.integers(1, 3)):
        end(g, any_node() if i else Concat()(*nodes[-2:]), target=f"t{i}")
    return {"dead": tuple(problem.name for problem in g.validate())}
