"""What explanations say, that each of their numbers is the run's, and that LaTeX takes them whatever the names.

After a change of wording, write the golden texts again with MINIGRAPH_GOLDEN=write, then read them and the diff.
"""

import inspect
import os
import pathlib
import re
import shutil
import subprocess
from dataclasses import dataclass

import numpy as np
import pytest
from oddities import Through
from wirings import ROWS, wired

import minigraph as mg
from minigraph import activations, blocks, costs, layers
from minigraph.costs import L2, BinaryCrossEntropy, Huber, MeanSquaredError, Quadratic, SoftmaxCrossEntropy
from minigraph.errors import GraphError, NoPathError, NotComputedError, RenderError
from minigraph.explain import document, explain
from minigraph.explain.docstrings import equations_of
from minigraph.explain.latex import body
from minigraph.layers import (
    LSTM,
    Activation,
    Add,
    BatchNorm,
    Bias,
    Concat,
    Conv2D,
    Dense,
    Embedding,
    ExpandDims,
    Flatten,
    Function,
    GlobalAvgPool,
    Identity,
    Multiply,
    Reshape,
    Scale,
    Squeeze,
    Subtract,
    Transpose,
)
from minigraph.symbols import Symbols

GOLDEN = pathlib.Path(__file__).parent / "golden"
needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")


# ---- runs ----


def ran(g, m=4, seed=3, wrt=None, training=False):
    """A run of a graph on random feeds, forward and back, with its Params off their starts."""
    rng = np.random.default_rng(seed)
    for param in g.params.values():
        param.value = param.value + rng.normal(scale=0.3, size=param.shape)
    feeds = {
        node.name: rng.integers(0, 2, (m, *node.shape)) if node.dtype.kind == "i" else rng.random((m, *node.shape))
        for node in g.inputs
    }
    return g.forward(feeds, training=training).backward(wrt=wrt)


def chain(*kinds, cost=None):
    """4 – 5 – 3 – 2 neurons, named h1, h2, out, with given activations."""
    g = mg.Graph("chain", seed=0)
    node = g.input("x", 4)
    for name, units, kind in zip(("h1", "h2", "out"), (5, 3, 2), kinds, strict=True):
        node = g.add(Dense(units, kind), node, name=name)
    g.cost(cost or Quadratic(), node, target="t")
    return g


def tied():
    g = mg.Graph("tied", seed=0)
    encoder = Dense(2, "tanh")
    h = g.add(encoder, g.input("x", 3), name="enc")
    g.cost(MeanSquaredError(), g.add(Dense(3, "sigmoid", weights=encoder.w.T), h, name="dec"), target="t")
    return g


def sequence():
    """Neurons that look at each of three vectors, without a bias, and weights of examples."""
    g = mg.Graph("sequence", seed=0)
    h = g.add(Dense(2, "sigmoid", bias=False), g.input("x", (3, 4)), name="h")
    g.cost(Quadratic(weight=0.25), g.add(Dense(2, "tanh"), h, name="out"), target="t", weights="v")
    return g


def penalized():
    g = chain("tanh", "sigmoid", "identity")
    g.cost(L2(0.1, "h*.w"))
    return g


def residual():
    """A network for images of three stages, with two residual blocks each."""
    g = mg.Graph("residual", seed=0)
    h = g.add(Conv2D(4, 3, padding=1), g.input("image", (3, 8, 8)), name="stem/conv")
    for stage in range(3):
        for k in range(2):
            block = blocks.residual(
                h, 4 * (stage + 1), stride=2 if stage and not k else 1, name=f"stage{stage}/block{k}"
            )
            h = block(h)
    g.cost(SoftmaxCrossEntropy(), g.add(Dense(10), GlobalAvgPool()(h), name="head"), target="label")
    return g


def transformer():
    g = mg.Graph("transformer", seed=0)
    h = g.add(Embedding(7, 8), g.input("tokens", (5,), dtype=int), name="embedding")
    h = blocks.transformer_encoder(h, 2, 16, norm_first=True, causal=True, name="encoder_1")(h)
    h = blocks.transformer_encoder(h, 2, 16, dropout=0.1, name="encoder_2")(h)
    g.cost(SoftmaxCrossEntropy(), g.add(Dense(7), h, name="logits"), target=g.input("next", (5,), dtype=int))
    return g


OTHERS = {"tied": tied, "sequence": sequence, "penalized": penalized}


# ---- numbers ----


NUMBER = r"-?\d[\d.]*(?:e-?\d+)?"


def numbers(text):
    """All (left side, numbers, remark) of the lines whose right side is numbers; of cut ones, what is there."""
    found = []
    for line in text.splitlines():
        bare = re.fullmatch(rf"    (.+?)\s+= (\((?:{NUMBER}|…|, )+\)|{NUMBER})(  \(.*?\))?(\s{{4,}}.*)?", line)
        matrix = re.fullmatch(r"    (.*?)(?:= )?[⎡⎢⎣\[] (.*) [⎤⎥⎦\]](  \(.*?\))?(\s{4,}.*)?", line)
        if matrix:
            if matrix[1].strip():
                found.append((matrix[1].strip(), [], (matrix[4] or "").strip()))
            if "⋮" not in matrix[2]:
                found[-1][1].append([float(x) for x in matrix[2].replace("…", "").split()])
        elif bare and re.search(r"\d", bare[2]):
            row = [float(x) for x in re.findall(NUMBER, bare[2])]
            found.append((bare[1].strip(), row if bare[2].startswith("(") else row[0], (bare[4] or "").strip()))
    return found


def beginning(array, like):
    """The part of an array that is shown."""
    array, like = np.asarray(array), np.asarray(like)
    return array.ravel()[: like.size] if like.ndim == 1 else array[tuple(slice(n) for n in like.shape)]


def told(text):
    """Which superscripts an explanation says to stand for which names."""
    flat = text.replace("\n", " ")
    cells = [pair for line in text.splitlines() for pair in re.findall(r"(?:^|    )(\S+) +'(.*?)'(?=$| {4})", line)]
    return dict(re.findall(r"(\S+) is '(.*?)'[,.]", flat.partition(" Superscripts: ")[2]) + cells)


class Superscripts:
    """What stands above the letters of a run's nodes, as a text tells."""

    def __init__(self, g, text):
        level, names = Symbols(g), {name: mark for mark, name in told(text).items()}
        self.mark = {node: names.get(node.name, level[node]) for node in g.nodes}

    def __call__(self, node):
        return braced(self.mark[node])


def braced(mark):
    return f"^{mark}" if re.fullmatch(r"[^\W_]+", mark) else f"^{{{mark}}}"


def expected(run, node, x, text):
    """The numbers that may stand in the explanation of a node, by left side or with the remark: read or reckoned."""
    g = run.graph
    sup = Superscripts(g, text)
    s, view, at = sup(node), run[node], {}
    if isinstance(node.layer, Dense):
        z, a, delta, before = view.z[x], view.a[x], view.delta[x], view.inputs[0][x]
        slope = {"tanh": 1 - a**2, "sigmoid": a * (1 - a)}.get(str(node.layer.sigma))
        rows, seen = delta.reshape(-1, delta.shape[-1]), before.reshape(-1, before.shape[-1])
        outer = sum(np.outer(d, v) for d, v in zip(rows, seen, strict=True))
        is_tied = node.layer.weights is not None and outer.shape != node.layer.w.shape
        at |= {f"z{s}": z, f"a{s}": a, f"σ'(z{s})": slope, f"δ{s}": delta, f"a{sup(node.inputs[0])}": before}
        at |= {f"∂C_x/∂b{s}": rows.sum(axis=0), f"∂C_x/∂w{s}": outer.T if is_tied else outer}
        at[f"∂C/∂a{s}"] = view.error[x]
        at |= {f"∂a{s}_j/∂z{s}_j": 1, "σ'(z)": 1} if slope is None else {}
    else:
        at[f"δ{s}"] = view.error[x]
    for name, param in {}.items() if node.layer.frozen else node.layer.params.items():
        uses = run.grad(param, per="use")
        at[f"∂C/∂{name}{s}"] = sum(uses.values())
        at |= {(f"∂C/∂{name}{s}", f"share of {use}"): share for use, share in uses.items()}
    active = [view.node for view in run if view.state == "computed"]
    uses = [(user, slot) for user in active for slot, source in enumerate(user.inputs) if source is node]
    for user, slot in uses:
        if isinstance(user.layer, Dense):
            w, error = user.layer.w.value, run[user].delta[x]
            flipped = w.shape[0] != user.layer.units
            u = sup(user)
            at[f"w{u} δ{u}" if flipped else f"(w{u})ᵀ δ{u}"] = error @ (w.T if flipped else w)
        elif isinstance(user.layer, costs.Cost) and slot == 0:
            at |= of_cost(run, node, user, x, s, sup(user) if len(g.costs) > 1 else "")
        elif run.edge(node, user, slot).state == "computed":
            at |= passed(run, node, user, slot, x, sup)
    return at


def passed(run, node, user, slot, x, sup):
    """What a layer without weighted sums sends back, reckoned from its error."""
    u, error, layer = sup(user), run[user].error[x], user.layer
    at = {f"δ{u}": error, f"∂a{u}_j/∂a{sup(node)}_j": -1 if isinstance(layer, Subtract) and slot else 1}
    at |= {f"∂a{u}_j/∂a^{{{sup.mark[node]}→{sup.mark[user]}:{slot}}}_j": at[f"∂a{u}_j/∂a{sup(node)}_j"]}
    match layer:
        case Add() | Identity():
            return at
        case Subtract():
            return at | ({f"−δ{u}": -error} if slot else {})
        case Multiply():
            others = [source for i, source in enumerate(user.inputs) if i != slot]
            at |= {f"a{sup(other)}": run[other].a[x] for other in others}
            product = np.prod([run[other].a[x] for other in others], axis=0)
            return at | {" ⊙ ".join([f"δ{u}", *(f"a{sup(other)}" for other in others)]): error * product}
        case Flatten() | Reshape():
            size = "×".join(map(str, node.shape)) or "1"
            return at | {
                f"δ{u} reshaped back to {size}": error.reshape(node.shape),
                f"∂a{u}_{{j′}}/∂a{sup(node)}_j": 1,
            }
        case Concat():
            start = sum(source.shape[0] for source in user.inputs[:slot])
            end = start + node.shape[0] - 1
            place = f"{start}…{end}" if end > start else str(start)
            shifted = f"∂a{u}_{{j+{start}}}/∂a{sup(node)}_j"
            return at | {f"δ{u}_{{{place}}}" if end > start else f"δ{u}_{place}": error[start : end + 1], shifted: 1}
    raise AssertionError(f"no reference for {type(layer).__name__}")


def of_cost(run, node, cost, x, s, c):
    a, y = run[node].a[x], run[cost].inputs[1][x]
    weight = cost.layer.weight
    factor = {1.0: "", 0.25: "0.250 · ", 0.3: "0.300 · ", 2.0: "2.00 · "}[weight]
    at = {f"y{c}": y, "n": a.size}
    if len(cost.inputs) > 2:
        at["w_x"] = run[cost].inputs[2][x]
        factor, weight = f"{factor}w_x · ", weight * at["w_x"]
    match cost.layer:
        case Quadratic():
            left, slope = f"a{s} − y{c}", a - y
        case MeanSquaredError():
            left, slope, factor = f"a{s} − y{c}", (a - y) * 2 / a.size, factor + "(2/n) "
        case BinaryCrossEntropy():
            left, slope = f"p{s} − y{c}", 1 / (1 + np.exp(-a)) - y
        case SoftmaxCrossEntropy():
            left, slope = f"p{s} − y{c}", np.exp(a) / np.exp(a).sum() - np.eye(len(a))[y]
    return at | {f"{factor}({left})" if factor else left: weight * slope}


def check_numbers(run, node, x):
    text = explain(run, node, example=x).text
    if run[node].state != "computed":
        assert "This run has no such number" in text
        assert not numbers(text)
        return
    at, count = expected(run, node, x, text), 0
    for left, shown, remark in numbers(text):
        right = at[left, remark] if (left, remark) in at else at[left]
        np.testing.assert_allclose(shown, beginning(right, shown), rtol=5.1e-3, err_msg=f"{node.name}: {left}")
        count += 1
    assert count >= (7 if isinstance(node.layer, Dense) and not node.layer.frozen else 1)


@pytest.mark.parametrize("name", [name for name in (*ROWS, *OTHERS) if name != "nested_block_twice"])
def test_every_number_is_the_runs(name):
    if name in OTHERS:
        run = ran(OTHERS[name]())
    else:
        run = wired(name).forward()
        run.backward(wrt=[node for node in run.graph.free_inputs if node in run.swept().records])
    for node in run.swept().plan.order:
        if not isinstance(node.layer, costs.Cost):
            check_numbers(run, node, 2)


@pytest.mark.parametrize("name", ["fan_out", "same_input_twice", "skip", "one_value_at_depths_1_3_5"])
def test_at_a_fork_the_summands_add_up_to_the_sum_and_times_the_slope_to_the_error(name):
    run = wired(name).forward().backward()
    text = explain(run, run.graph["h"] if "h" in run.graph else run.graph["dense"]).text
    found = {left: np.array(shown) for left, shown, _ in numbers(text)}
    vectors = part(text, "4. Simplify").split("\n\n")[-1]
    summands = re.findall(r"^ +(?:∂C/∂a\^2 +=|\+|(−)) (.+)$", vectors, re.M)
    assert len(summands) >= 2
    total = sum(found[minus + summand] for minus, summand in summands)
    np.testing.assert_allclose(total, found["∂C/∂a^2"], atol=0.02 * np.abs(total).max())
    np.testing.assert_allclose(found["∂C/∂a^2"] * found["σ'(z^2)"], found["δ^2"], rtol=0.02)


def test_a_cost_shows_where_errors_begin():
    run = ran(chain("tanh", "tanh", "sigmoid"))
    found = {left: shown for left, shown, _ in numbers(explain(run, "quadratic", example=1).text)}
    a, t = run["out"].a[1], run["t"].a[1]
    at = {"a^4": a, "y": t, "C_x": ((a - t) ** 2).sum() / 2, "C": run.cost, "∂C/∂a^{4→quadratic}": a - t}
    assert found.keys() == at.keys()
    for left, shown in found.items():
        np.testing.assert_allclose(shown, at[left], rtol=5.1e-3)


def test_one_example_without_a_batch_axis():
    g = chain("tanh", "tanh", "sigmoid")
    run = g.forward(x=np.arange(4.0), t=np.ones(2)).backward()
    found = {left: shown for left, shown, _ in numbers(explain(run, "h1").text)}
    np.testing.assert_allclose(found["δ^2"], run["h1"].delta, rtol=5.1e-3)
    np.testing.assert_allclose(found["∂C/∂w^2"], run.grad(g["h1"].layer.w)[:, :5], rtol=5.1e-3)


def test_the_numbers_stay_when_the_run_goes_on():
    run = ran(chain("tanh", "tanh", "sigmoid"))
    explanation = explain(run, "h1")
    before = explanation.text
    run.forward(x=np.zeros((4, 4)), t=np.zeros((4, 2))).backward()
    assert explanation.text == before != explain(run, "h1").text


# ---- the derivation ----


def part(text, title):
    """What stands below a heading."""
    return re.split(r"\n\n(?=[^\n]+\n[═─]{3,})", text.split(f"{title}\n")[1])[0]


def test_the_four_moves_in_order_for_a_hidden_and_an_output_layer():
    run = ran(chain("sigmoid", "tanh", "sigmoid"))
    for name, label, result in (
        ("h1", "BP2", "δ^2   = (w^3)ᵀ δ^3 ⊙ σ'(z^2)"),
        ("out", "BP1", "δ^4   = (a^4 − y) ⊙ σ'(z^4)"),
    ):
        text = explain(run, name).text
        moves = ["1. Define", "2. Expand by the chain rule", "3. Substitute", "4. Simplify", "What follows"]
        places = [text.index(f"\n{move}") for move in moves]
        assert places == sorted(places)
        assert result in part(text, "4. Simplify")
        assert set(re.findall(r"\((BP\d)\)", text)) == {label, "BP3", "BP4"}
        assert max(map(len, text.splitlines())) <= 100


def test_linear_neurons_have_the_simplified_equations():
    run = ran(chain("identity", "identity", "identity"))
    hidden, out = (part(explain(run, name).text, "4. Simplify") for name in ("h1", "out"))
    assert "σ' = 1" in hidden
    assert "δ^2_j = Σ_k w^3_kj δ^3_k    (BP2)\n" in hidden
    assert hidden.endswith("δ^2   = (w^3)ᵀ δ^3          (BP2)")
    assert out.endswith("δ^4   = a^4 − y        (BP1)")


def test_neurons_of_several_kinds_have_a_slope_each():
    text = explain(ran(chain(["sigmoid"] * 3 + ["relu", "sigmoid"], "tanh", "identity")), "h1").text
    assert "σ_{0…2, 4}'(z) = a (1 − a)" in text
    assert "σ_3'(z) = 1 where z > 0, else 0" in text
    assert "δ^2_j = Σ_k w^3_kj δ^3_k σ_j'(z^2_j)" in text


def test_a_cost_that_no_formula_explains_speaks_for_itself():
    text = explain(ran(chain("tanh", "tanh", "identity", cost=Huber(0.3))), "out").text
    assert "Huber says of itself:\n\n    d = a − y" in text
    assert "δ^4   = ∇ₐC          (BP1)" in text


def test_a_layer_with_a_state_is_taken_as_a_whole():
    g = mg.Graph("rnn", seed=0)
    h = g.add(LSTM(3), g.add(Dense(2, "tanh"), g.input("x", (4, 2)), name="in"), name="lstm")
    g.cost(Quadratic(), g.add(BatchNorm(), Flatten()(h), name="bn"), target="t")
    run = ran(g, training=True)
    for name, kind in (("in", "LSTM"), ("lstm", "LSTM"), ("bn", "BatchNorm")):
        text = explain(run, name).text
        assert f"{kind} says of itself:\n\n    " + equations_of(getattr(layers, kind))[0].lines[0] in text
        assert "'bn' mixes the examples" in text.replace("\n", " ")
    found = {left: shown for left, shown, _ in numbers(explain(run, "lstm", example=3).text)}
    np.testing.assert_allclose(found["δ^flatten reshaped back to 4×3"], run["lstm"].error[3], rtol=5.1e-3)
    np.testing.assert_allclose(found["∂C/∂u^3"], run.grad(g["lstm"].layer.u)[:6], rtol=5.1e-3)


def test_a_class_without_equations_is_said_to_have_none():
    @dataclass(eq=False)  # which makes a docstring of its own
    class Silent(Through):
        rate: float = 0.5

    g = mg.Graph("silent", seed=0)
    h = g.add(Silent(), g.add(Dense(3, "tanh"), g.input("x", 2), name="h"), name="quiet")
    g.cost(Quadratic(), h, target="t")
    run = ran(g)
    text = explain(run, "h").text
    assert "Silent says no equations of itself." in text
    assert numbers(text)[2][0] == "∂C/∂a^{2→quiet}"


def test_an_error_given_to_backward_is_shown_as_given():
    run = chain("tanh", "tanh", "identity").forward(x=np.ones((2, 4)), t=np.ones((2, 2)))
    run.backward("out", [[0.5, -2.0], [0.25, 4.0]])
    text = explain(run, "out", example=1).text
    assert "times the error given to run.backward" in text.replace("\n", " ")
    assert ("e^4", [0.25, 4.0], "as given") in numbers(text)


# ---- layers that pass the error on ----


class OwnAdd(Add):
    """A subclass may do something else."""


def into(shape, *layers):
    """A graph in which h, of a given shape, goes into a layer, alone or before, behind or around `y` of `other`."""
    g = mg.Graph("into", seed=0)
    h = g.add(Dense(int(np.prod(shape)), "tanh"), g.input("x", 3), name="before")
    h = g.add(Reshape(shape), h, name="h")
    for layer, *others in layers:
        inputs = [
            h if other == "h" else g[other] if isinstance(other, str) else g.input("y", other) for other in others
        ]
        h = g.add(layer, *(inputs or [h]), name="u")
    g.cost(Quadratic(), g.add(Dense(2), Flatten()(h), name="end"), target="t")
    return g


PASSED = [
    ((4,), (Add(), "h", (4,)), "δ^u_j", "δ^u", lambda e, h, y, u: e),
    ((2, 3), (Add(), (3,), "h"), "δ^u_j", "δ^u", lambda e, h, y, u: e),
    ((4,), (Subtract(), (4,), "h"), "−δ^u_j", "−δ^u", lambda e, h, y, u: -e),
    ((4,), (Subtract(), "h", (4,)), "δ^u_j", "δ^u", lambda e, h, y, u: e),
    ((4,), (Multiply(), (4,), "h"), "δ^u_j a^y_j", "δ^u ⊙ a^y", lambda e, h, y, u: e * y),
    ((4,), (Concat(), "h", (3,)), "δ^u_j", "δ^u_{0…3}", lambda e, h, y, u: e[:4]),
    ((4,), (Concat(), (3,), "h"), "δ^u_{j+3}", "δ^u_{3…6}", lambda e, h, y, u: e[3:]),
    ((1,), (Concat(), (3,), "h"), "δ^u_{j+3}", "δ^u_3", lambda e, h, y, u: e[3:]),
    ((2, 3), (Concat(axis=0), (1, 3), "h"), "δ^u_{j′}", "δ^u at 1…2 of axis 0", lambda e, h, y, u: e[1:]),
    ((2, 3), (Concat(), (2, 2), "h"), "δ^u_{j′}", "δ^u at 2…4 of axis 1", lambda e, h, y, u: e[:, 2:]),
    ((4,), (Identity(),), "δ^u_j", "δ^u", lambda e, h, y, u: e),
    ((2, 3), (Flatten(),), "δ^u_{j′}", "δ^u reshaped back to 2×3", lambda e, h, y, u: e.reshape(2, 3)),
    ((4,), (Reshape((2, 2)),), "δ^u_{j′}", "δ^u reshaped back to 4", lambda e, h, y, u: e.reshape(4)),
    ((2, 1), (Squeeze(),), "δ^u_{j′}", "δ^u reshaped back to 2×1", lambda e, h, y, u: e[:, None]),
    ((2,), (ExpandDims(0),), "δ^u_{j′}", "δ^u reshaped back to 2", lambda e, h, y, u: e[0]),
    ((2, 3), (Transpose(),), "δ^u_{j′}", "δ^u transposed back to 2×3", lambda e, h, y, u: e.T),
    ((4,), (Scale(0.25),), "0.250 δ^u_j", "0.250 δ^u", lambda e, h, y, u: e / 4),
    ((4,), (Scale(),), "γ^u_j ∂C/∂a^u_j", "γ^u ⊙ ∂C/∂a^u", lambda e, h, y, u: e * u.gamma.value),
    ((4,), (Bias(),), "∂C/∂a^u_j", "∂C/∂a^u", lambda e, h, y, u: e),
    ((4,), (Bias(2.0),), "δ^u_j", "δ^u", lambda e, h, y, u: e),
    ((2, 3), (Activation("tanh"),), "δ^u_j tanh'(a^h_j)", "δ^u ⊙ tanh'(a^h)", lambda e, h, y, u: e / np.cosh(h) ** 2),
    (
        (4,),
        (Function(np.square, lambda x: 2 * x),),
        "δ^u_j square'(a^h_j)",
        "δ^u ⊙ square'(a^h)",
        lambda e, h, y, u: 2 * h * e,
    ),
]


@pytest.mark.parametrize(("shape", "use", "component", "vector", "reckoned"), PASSED)
def test_what_is_passed_on_exactly_is_put_in(shape, use, component, vector, reckoned):
    run = ran(into(shape, use))
    text = explain(run, "h", example=2).text.replace("^3", "^u")  # Scale and Bias have a number
    simple = part(text, "4. Simplify")
    assert re.search(rf"δ\^h_j = {re.escape(component)}\n", simple)
    assert re.search(rf"δ\^h   = {re.escape(vector)}$", simple)
    assert "taken as a whole" not in text
    assert "→" not in text.replace("→ ", "")
    found = {left: shown for left, shown, _ in numbers(text)}
    inputs = {node.name: run[node].a[2] for node in run.graph.nodes}
    right = reckoned(run["u"].error[2], inputs["h"], inputs.get("y"), run.graph["u"].layer)
    np.testing.assert_allclose(found[vector], beginning(right, found[vector]), rtol=5.1e-3)
    np.testing.assert_allclose(found["δ^h"], beginning(run["h"].error[2], found["δ^h"]), rtol=5.1e-3)


@pytest.mark.parametrize(
    ("shape", "use"),
    [
        ((3,), (Add(), "h", (2, 3))),
        ((1,), (Subtract(), "h", (3,))),
        ((2, 3), (Multiply(), "h", (3,))),
        ((4,), (OwnAdd(), "h", (4,))),
        ((2, 3), (Scale(),)),
        ((3,), (Scale(np.ones((2, 3))),)),
        ((3,), (Bias(np.ones((2, 3))),)),
        ((4,), (Activation(["tanh"] * 3 + ["relu"]),)),
    ],
)
def test_what_broadcasts_or_may_be_otherwise_is_taken_as_a_whole(shape, use):
    run = ran(into(shape, use))
    text = explain(run, "h", example=1).text
    assert re.search(r"δ\^h   = ∂C/∂a\^\{h→(u|3)\}$", part(text, "4. Simplify"))
    assert f"What comes back from {type(use[0]).__name__} is taken as a whole." in text


def test_at_a_skip_connection_the_error_passes_by_the_branch():
    run = wired("skip").forward().backward()
    text = explain(run, "dense").text
    assert "∂C/∂a^2 = δ^add\n            + (w^3)ᵀ δ^3\n    δ^2     = ∂C/∂a^2 ⊙ σ'(z^2)" in part(text, "4. Simplify")
    assert "a^add_j         = a^2_j + a^4_j" in part(text, "3. Substitute")
    found = {left: np.array(shown) for left, shown, _ in numbers(text)}
    w = run.graph["dense_1"].layer.w.value
    branch = run["dense_1"].delta[0] @ w
    np.testing.assert_allclose(found["(w^3)ᵀ δ^3"], branch, rtol=5.1e-3)
    np.testing.assert_allclose(found["δ^add"], run["add"].error[0], rtol=5.1e-3)
    np.testing.assert_allclose(found["∂C/∂a^2"], run["add"].error[0] + branch, rtol=5.1e-3)


# ---- what there is not ----


def test_why_there_is_no_number():
    g = mg.Graph("holes", seed=0)
    h = g.add(Dense(3, "tanh", frozen=True), g.input("x", 2), name="ice")
    g.add(Dense(2), h, name="dead")
    g.cost(Quadratic(), g.add(Dense(2), h, name="out"), target="t")
    g.warned = g.edition
    run = ran(g, wrt="x")
    assert "no path leads from 'dead' to 'quadratic'" in explain(run, "dead").text
    assert "'ice' is frozen" in explain(run, "ice").text
    assert "No error comes back from 'dead', from which no path leads to the cost." in explain(run, "ice").text
    assert not [left for left, _, _ in numbers(explain(run, "ice").text) if left.startswith("∂C/∂w")]
    assert "takes it as a constant" in explain(run, "t").text or "no path" in explain(run, "t").text
    with pytest.raises(NotComputedError, match="frozen"):
        explain(run, "ice", w=(0, 0))
    with pytest.raises(NoPathError, match="no path"):
        explain(run, "dead", b=0)


def test_before_backward_there_is_nothing_to_explain():
    run = chain("tanh", "tanh", "identity").forward(x=np.ones((2, 4)), t=np.ones((2, 2)))
    with pytest.raises(NotComputedError, match=r"call run\.backward\(\)"):
        explain(run, "h1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"node": "h9"}, "no node 'h9'"),
        ({"w": (5, 0)}, r"w of 'h1' has elements \(0…4, 0…3\), counted from 0: got w=\(5, 0\)"),
        ({"w": (0, -1)}, "got w="),
        ({"w": 3}, "got w=3"),
        ({"w": (0, 1.0)}, "got w="),
        ({"w": (True, 0)}, "got w="),
        ({"b": 5}, r"b of 'h1' has elements \(0…4\), counted from 0: got b=5"),
        ({"w": (0, 0), "b": 0}, "not both"),
        ({"node": "x", "w": (0, 0)}, "Input 'x' has no w to explain: its Params are none"),
        ({"example": 4}, "from 0 to 3"),
        ({"example": -1}, "from 0 to 3"),
    ],
)
def test_what_there_is_not_is_an_error(arguments, message):
    run = ran(chain("tanh", "tanh", "identity"))
    with pytest.raises(GraphError, match=message):
        explain(run, **{"node": "h1"} | arguments)


# ---- one weight ----


@pytest.mark.parametrize("make", [lambda: chain("tanh", "sigmoid", "identity"), tied, sequence, penalized])
def test_one_weight_and_what_becomes_of_the_cost_when_it_changes(make):
    g = make()
    run = ran(g)
    node = next(node for node in g.nodes if isinstance(node.layer, Dense))
    w = node.layer.w
    text = explain(run, node, w=(1, 2), example=3).text
    found = {left: np.array(shown) for left, shown, remark in numbers(text) if "share" not in remark}
    product = (found["a^1_2"] * found["δ^2_1"]).sum()
    if not text.count("share of"):
        np.testing.assert_allclose(found["∂C_x/∂w^2_{1,2}"], run.grad(w, per="example")[3, 1, 2], rtol=5.1e-3)
    np.testing.assert_allclose(found["∂C_x/∂w^2_{1,2}"], product, rtol=0.03)
    np.testing.assert_allclose(found["∂C/∂w^2_{1,2}"], run.grad(w)[1, 2], rtol=5.1e-3)
    before, slope = map(float, re.search(rf"≈ ({NUMBER}) \+ \(({NUMBER})\) ε", text).groups())
    np.testing.assert_allclose([before, slope], [run.cost, run.grad(w)[1, 2]], rtol=5.1e-3)
    w.value[1, 2] += 1e-4
    after = g.forward({node.name: run[node].a for node in g.inputs}).cost
    np.testing.assert_allclose((after - run.cost) / 1e-4, slope, rtol=0.01, atol=1e-5)


def test_transposed_weights_have_their_indices_the_other_way_round():
    run = ran(tied())
    encoder, decoder = explain(run, "enc").text, explain(run, "dec").text
    assert "z^3_k         = Σ_i w^3_ik a^2_i + b^3_k" in encoder
    assert "δ^2_j = Σ_k w^3_jk δ^3_k σ'(z^2_j)" in encoder
    assert "z^3_j      = Σ_k w^3_kj a^2_k + b^3_j" in decoder
    assert "∂C/∂w^3    = a^2 (δ^3)ᵀ" in decoder
    text = explain(run, "dec", w=(1, 2)).text
    found = {left: shown for left, shown, remark in numbers(text) if "share" not in remark}
    a, delta = run["enc"].a[0, 1], run["dec"].delta[0, 2]
    np.testing.assert_allclose(
        [found["a^2_1"], found["δ^3_2"], found["∂C_x/∂w^3_{1,2}"]], [a, delta, a * delta], rtol=5.1e-3
    )
    assert "z^3_2             = Σ_k w^3_k2 a^2_k + b^3_2" in text


def test_the_same_value_twice_comes_back_slot_by_slot():
    run = wired("same_input_twice").forward().backward()
    text = explain(run, "h").text
    edges = re.findall(r"· ∂a\S+?_j/∂a\^\{?(\S+?)\}?_j$", text, re.M)
    assert edges[:5] == ["2→add:0", "2→add:1", "2→multiply:0", "2→multiply:1", "2→multiply_1:0"]
    remarks = {left: remark for left, _, remark in numbers(text)}
    assert remarks["δ^add"] == "from add, 2 times"
    assert remarks["δ^{multiply_1} ⊙ a^2 ⊙ a^2"] == "from multiply_1, 3 times"


def test_one_bias_and_an_element_of_other_weights():
    run = ran(chain("tanh", "sigmoid", "identity"))
    text = explain(run, "h2", b=1).text
    assert "∂C/∂b^3_1 = δ^3_1    (BP3)" in text
    found = {left: shown for left, shown, _ in numbers(text)}
    np.testing.assert_allclose(found["δ^3_1"], run["h2"].delta[0, 1], rtol=5.1e-3)
    np.testing.assert_allclose(found["∂C/∂b^3_1"], run.grad(run.graph["h2"].layer.b)[1], rtol=5.1e-3)

    g = mg.Graph("words", seed=0)
    h = g.add(Embedding(3, 2), g.input("x", (2,), dtype=int), name="look")
    g.cost(Quadratic(), Flatten()(h), target="t")
    run = ran(g)
    ((left, shown, _),) = numbers(explain(run, "look", w=(1, 0)).text)
    assert left == "∂C/∂w^2_{1,0}"
    np.testing.assert_allclose(shown, run.grad(g["look"].layer.w)[1, 0], rtol=5.1e-3)


# ---- the whole architecture ----


def test_the_document_has_every_node_forward_then_backward():
    g = wired("skip").graph
    text = document(g).text
    forward, backward = part(text, "Forward"), part(text, "Backward")
    places = [forward.index(f"    {node.name}, ") for node in g.nodes if node.inputs]
    assert places == sorted(places)
    errors = re.findall(r"^    (δ\^\S+)", backward, re.MULTILINE)
    s = Symbols(g)
    expected = [s[node] for node in reversed(g.nodes) if node.inputs and not isinstance(node.layer, costs.Cost)]
    assert [error[2:].strip("{}") for error in errors] == expected
    for node in g.nodes:
        for name in node.layer.params:
            assert re.search(rf"∂C_x/∂{name}\^{{?{s[node]}}}?\s+= ", backward)
    assert not re.search(r"\d\.\d", text)


def test_the_document_says_what_is_shared_idle_or_without_a_cost():
    text = document(wired("shared_twice").graph).text
    assert "One Param with several uses, whose gradients add up: w^u = w^v." in text
    text = document(wired("dead_branch").graph).text
    assert "No error goes to 't', 'dead', 'dead too', as no path leads from there to the cost." in text.replace(
        "\n", " "
    )
    assert "No error goes to 'x', as nothing trainable stands there." in text
    g = mg.Sequential(2, Dense(3, "tanh"))
    assert "The graph has no cost: errors are given to run.backward" in document(g).text.replace("\n", " ")


def test_a_long_chain_has_a_document():
    g = mg.Graph("long", seed=0)
    node = g.input("x", 1)
    for _ in range(3000):
        node = Add()(node, node)
    g.cost(Quadratic(), node)
    assert len(re.findall(r"= a\^\S+ \+ a\^\S+ ", document(g).text)) == 3000


# ---- formulas that have to be true ----


@pytest.mark.parametrize(
    ("name", "sigma", "slope"),
    [
        ("identity", ("z", lambda z: z), ("1", lambda z: 1)),
        ("sigmoid", ("1 / (1 + e^−z)", lambda z: 1 / (1 + np.exp(-z))), ("a (1 − a)", None)),
        ("tanh", ("tanh z", np.tanh), ("1 − a²", None)),
        ("relu", ("max(z, 0)", lambda z: max(z, 0)), ("1 where z > 0, else 0", None)),
        ("leaky_relu", ("z where z > 0, else slope · z", lambda z: z if z > 0 else 0.01 * z), ("else slope", None)),
        ("softplus", ("ln(1 + e^z)", lambda z: np.log(1 + np.exp(z))), ("1 / (1 + e^−z)", None)),
        ("elu", ("z where z > 0, else α (e^z − 1)", lambda z: z if z > 0 else np.exp(z) - 1), ("else α e^z", None)),
        ("silu", ("z s,  s = 1 / (1 + e^−z)", lambda z: z / (1 + np.exp(-z))), ("s + z s (1 − s)", None)),
    ],
)
def test_activations_are_written_as_their_classes_say(name, sigma, slope):
    kind = activations.NAMED[name]
    text = explain(ran(chain(name, "tanh", "identity")), "h1").text
    said = inspect.getdoc(type(kind)).replace(",   s =", ",  s =")
    shown, function = sigma
    assert f"σ(z)  = {shown}" in text
    assert re.search(rf"σ'\(z\) = .*{re.escape(slope[0])}", text)
    assert shown in said
    assert slope[0] in said
    for z in (-1.5, 0.3, 2.0):
        assert kind(np.array([z])) == pytest.approx(function(z))


# ---- formats ----


def hostile():
    """A graph whose names are of the worst kind."""
    names = [
        'a:b <c> {d} | "e" \\ ^~#$%&_',
        "δ ᵀ ≠ é ß x̂ \u0301 Ź",
        "🙂\nnew\tline\x00 ﬁ 中文",
        "`tick` *b* [x](y) $z$",
        "\\end{document}",
        "x" * 500,
        "x" * 499 + "y",
        "2",
        "-- ?` !` %",
        "\ud800",
    ]
    g = mg.Graph("<script>$\\frac{1}{", seed=0)
    node = g.input(names[0], 3)
    for name in names[1:]:
        node = g.add(Dense(3, "tanh"), node, name=name)
    g.cost(Quadratic(), Add()(node, node), target="t\\$")
    return g


@needs_latex
def test_latex_takes_every_wiring_and_every_name(tmp_path):
    explanations = []
    for name in ROWS:
        run = wired(name).forward().backward()
        explanations += [document(run.graph), *(explain(run, node) for node in run.swept().plan.order[:4])]
    for run in (ran(residual(), training=True), ran(transformer())):
        g = run.graph
        ends = [node for node in g.nodes if isinstance(node.layer, (Add, Concat)) or "norm_1" in node.name]
        explanations += [document(g), *(explain(run, node) for node in ends)]
    for g in (hostile(), *(make() for make in OTHERS.values())):
        run = ran(g)
        explanations += [document(g), *(explain(run, node) for node in g.nodes)]
        explanations += [explain(run, node, w=(0, 0)) for node in g.nodes if isinstance(node.layer, Dense)]
    whole = explanations[0].latex
    start, end = whole.index("\\begin{document}"), whole.index("\\end{document}")
    bodies = [
        explanation.latex.split("\\begin{document}")[1].rsplit("\\end{document}")[0] for explanation in explanations
    ]
    source = whole[:start] + "\\begin{document}" + "\n\n".join(bodies) + whole[end:]
    assert compiled(source, tmp_path) <= 5  # points beyond the margin


@needs_latex
def test_formulas_in_markdown_are_tex(tmp_path):
    run = ran(penalized())
    markdown = "\n".join(explain(run, node)._repr_markdown_() for node in run.graph.nodes)
    displays, inline = (
        re.findall(r"^\$\$\n(.*?)^\$\$$", markdown, re.DOTALL | re.MULTILINE),
        re.findall(r"\$(\S[^$\n]*)\$", markdown),
    )
    assert len(displays) > 20
    assert len(inline) > 20
    lines = [f"\\[{display}\\]" for display in displays] + [f"${formula}$\n" for formula in inline]
    head = "\\documentclass{article}\\usepackage{amsmath}\\begin{document}\n"
    compiled(head + "\n".join(lines) + "\\end{document}", tmp_path)


def compiled(source, folder):
    """Have LaTeX set it; how far the widest line stands out, in points."""
    (folder / "all.tex").write_text(source, encoding="utf-8")
    command = ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout.decode("latin-1")[-2000:]
    log = (folder / "all.log").read_text(encoding="latin-1")
    assert "Missing character" not in log
    return max(map(float, re.findall(r"Overfull \\hbox \(([\d.]+)pt too wide\)", log)), default=0)


def test_names_are_inert_in_markdown():
    names = ["`tick` *b*", " <b>", "$z$", "a\\b_{c}", "``", "[x](y) | #"]
    g = mg.Graph("<script>`", seed=0)
    x = g.input("x", 2)
    g.cost(Quadratic(), Add()(*(g.add(Dense(2, "tanh"), x, name=name) for name in names)), target="t")
    run = ran(g)
    text = document(g).markdown + "".join(explain(run, node).markdown for node in g.nodes)
    assert {*names, "<script>`"} <= set(code_spans(text))
    upright = re.findall(r"\\text\{((?:\\.|[^{}])*)\}", text)
    assert len(upright) > 20
    assert not set("".join(upright).replace("\\_", "")) & set("\\`*_{}[]<>#|$~&^%")


def code_spans(text):
    """What stands between backticks, by CommonMark's rules."""
    found, place = [], 0
    while start := re.compile("`+").search(text, place):
        end = re.compile(rf"(?<!`){start[0]}(?!`)").search(text, start.end())
        place = end.end() if end else start.end()
        content = text[start.end() : end.start()] if end else ""
        padded = content.strip(" ") and content[0] == content[-1] == " "
        found.append(content[1:-1] if padded else content)
    return found


def test_names_that_look_alike_stay_apart():
    g = hostile()
    run = ran(g)
    lines = explain(run, "x" * 500).text
    assert "δ^6_j" in lines
    g = mg.Graph("twins", seed=0)
    x = g.input("x", 2)
    u, v, two = (g.add(Dense(2), x, name=name) for name in ("block/of/layers/w", "brick/of/layers/w", "2"))
    g.cost(Quadratic(), Add()(u, v, two))
    text = document(g).text
    assert {"δ^{#1}", "δ^{#2}", "δ^2"} <= set(re.findall(r"δ\^(?:\{.*?\}|\w+)", text))
    assert told(text) == {"1": "x", "#1": "block/of/layers/w", "#2": "brick/of/layers/w"}


def test_every_superscript_is_a_name_or_told():
    run = ran(residual(), training=True)
    for explanation in (document(run.graph), *(explain(run, node) for node in run.graph.nodes)):
        text = explanation.text
        known = {*told(text), *(node.name for node in run.graph.nodes)}
        marks = re.findall(r"(?<=[awbzδγβy]\^)(?:\{(.*?)\}|([^\W_]+))", text)
        above = {mark for pair in marks for mark in (pair[0] or pair[1]).split("→")}
        assert above
        assert above <= known
        assert not any("#" in mark for mark in above)
    markdown = document(run.graph).markdown
    assert "| superscript | node | superscript | node |\n| --- | --- | --- | --- |\n" in markdown
    assert "s0/b0/acti_1" in told(document(run.graph).text)


def test_latex_has_a_sign_for_all_that_the_classes_say():
    kinds = [getattr(module, name) for module in (layers, costs, activations) for name in module.__all__]
    for kind in filter(inspect.isclass, kinds):
        source = body(equations_of(kind))
        assert "U+" not in source, kind
        assert all(len(line) <= 88 for quote in equations_of(kind) for line in quote.lines), kind


def test_saving(tmp_path):
    explanation = explain(ran(chain("tanh", "tanh", "identity")), "h1")
    for name, content in (("e.txt", explanation.text), ("e.MD", explanation.markdown), ("e.tex", explanation.latex)):
        assert explanation.save(tmp_path / name) == tmp_path / name
        assert (tmp_path / name).read_text(encoding="utf-8") == content
    assert str(explanation) == repr(explanation) == explanation.text
    with pytest.raises(RenderError, match=r"\.txt, \.md, \.tex"):
        explanation.save(tmp_path / "e.pdf")
    with pytest.raises(RenderError, match="can't be written"):
        explanation.save(tmp_path / "nowhere" / "e.md")


def golden_run():
    g = mg.Graph("golden", seed=0)
    h = g.add(Dense(3, "sigmoid"), g.input("x", 2), name="h1")
    g.cost(Quadratic(), g.add(Dense(2, ["tanh", "identity"]), h, name="out"), target="t")
    for k, param in enumerate(g.params.values()):
        param.value = np.sin(np.arange(param.size) + k).reshape(param.shape)
    return g.forward(x=np.cos(np.arange(8.0)).reshape(4, 2), t=np.arange(8).reshape(4, 2) / 8).backward()


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("explain_node.txt", lambda run: explain(run, "h1").text),
        ("explain_output.txt", lambda run: explain(run, "out", example=2).text),
        ("explain_residual.txt", lambda run: explain(wired("skip").forward().backward(), "add").text),
        ("explain_weight.txt", lambda run: explain(run, "h1", w=(2, 1)).text),
        ("explain_document.txt", lambda run: document(run.graph).text),
        ("explain_node.md", lambda run: explain(run, "h1").markdown),
        ("explain_node.tex", lambda run: explain(run, "h1").latex),
    ],
)
def test_golden(name, written):
    text = written(golden_run())
    if os.environ.get("MINIGRAPH_GOLDEN") == "write":
        (GOLDEN / name).write_text(text, encoding="utf-8")
    assert text == (GOLDEN / name).read_text(encoding="utf-8")
