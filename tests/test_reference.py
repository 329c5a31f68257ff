"""The reference: every public name is there with its docstring, and what that says arrives on the page unchanged."""

import importlib
import inspect
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from cases import CASES

import minigraph as mg
from minigraph import activations, costs, layers
from minigraph.costs import Penalty

sys.path.append(str(Path(__file__).parents[1] / "docs" / "_ext"))

import reference_cases
import reference_groups
import reference_names
import reference_plots
from reference_maths import Unread, tex
from reference_pieces import pieces
from reference_prose import Code, Equations, Link, Lowered, Paragraph, Preformatted, blocks, inline, plain, summary
from reference_resolve import full_name

with pytest.MonkeyPatch.context() as patch:  # importing it would start MPI in a process of tests
    there = [group for group in reference_groups.GROUPS if group.page != "mpi"]
    patch.setattr(reference_names, "GROUPS", there)
    ENTRIES = reference_names.entries()
MODULES = ["activations", "blocks", "costs", "datasets", "errors", "initializers", "layers", "metrics", "optimizers"]
NAMES = set(ENTRIES) | {alias for entry in ENTRIES.values() for alias in entry.aliases}
KINDS = list(dict.fromkeys(type(case.make()) for case in CASES))
BASES = {"Cell", "Cost", "Input", "Layer", "Neurons", "Penalty", "Recurrent"}


# ---- every name ----


def test_every_name_of_the_package_is_there():
    shown = {name for name in mg.__all__ if not inspect.ismodule(getattr(mg, name))}
    assert {f"minigraph.{name}" for name in shown} <= NAMES


@pytest.mark.parametrize("module", [*MODULES, "schedules"])
def test_every_name_of_a_public_module_is_there(module):
    there = importlib.import_module(f"minigraph.{module}")
    own = [name for name, value in vars(there).items() if getattr(value, "__module__", None) == there.__name__]
    names = getattr(there, "__all__", [name for name in own if name[0] != "_"])
    assert names
    assert {f"minigraph.{module}.{name}" for name in names} <= NAMES


@pytest.mark.parametrize("package", ["networkx", "onnx", "sklearn"])
def test_names_for_other_packages_are_there_when_these_are_installed(package):
    pytest.importorskip(package, reason=f"{package}, of the extra {package}, is not installed")
    assert any(name.startswith(f"minigraph.interop.{package}.") for name in ENTRIES)


def test_every_name_has_a_docstring_and_a_page_of_which_no_two_are_alike_on_any_disk():
    assert [name for name, entry in ENTRIES.items() if not entry.doc.strip()] == []
    pages = {entry.page for entry in ENTRIES.values()}
    assert len({page.lower() for page in pages}) == len(pages)


def test_methods_and_properties_have_docstrings_and_what_is_private_is_left_out():
    members = [(name, member) for name, entry in ENTRIES.items() for member in entry.members]
    assert [f"{name}.{member.name}" for name, member in members if not member.doc] == []
    assert not [member.name for _, member in members if member.name.startswith("_")]
    assert {"forward", "backward", "cost", "diagnose"} <= {m.name for m in ENTRIES["minigraph.Run"].members}


def test_signatures_say_no_addresses():
    written = [entry.signature for entry in ENTRIES.values()] + [
        member.signature for entry in ENTRIES.values() for member in entry.members
    ]
    assert not [text for text in written if re.search(r"0x[0-9a-f]{6}|<function|<object", text)]
    assert ENTRIES["minigraph.layers.Dropout"].signature == (
        "(rate: float = 0.5, *, name: str | None = None, frozen: bool = False)"
    )


# ---- every layer and cost ----


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_layer_has_the_shapes_of_its_rows_and_a_drawing(kind):
    rows = reference_cases.rows_of(kind)
    assert sorted(row.name for row in rows) == sorted(case.id for case in CASES if type(case.make()) is kind)
    case = next(case for case in CASES if case.id == rows[0].name)
    node = case.node()
    assert (rows[0].inputs, rows[0].output) == (tuple(map(str, case.shapes)), str(node.shape))
    assert dict(rows[0].params) == {name: str(p.shape) for name, p in node.layer.params.items()}
    drawn = reference_cases.drawing(kind)
    assert kind.__name__ in drawn.light.dot
    assert drawn.light.dot != drawn.dark.dot
    assert drawn.call == rows[0].call


def test_layers_without_rows_are_those_that_others_derive_from_or_that_no_row_can_hold():
    shown = [getattr(module, name) for module in (layers, costs) for name in module.__all__]
    assert {kind.__name__ for kind in shown if kind not in KINDS} == BASES | {"L1", "L2", "Split"}
    assert all(reference_cases.drawing(kind) for kind in shown if kind.__name__ not in BASES)
    assert reference_cases.drawing(Penalty) is None


def test_every_layer_and_cost_has_typeset_equations():
    without = [
        kind.__name__ for kind in KINDS if not any(isinstance(block, Equations) for block in blocks(kind.__doc__))
    ]
    assert without == []


def test_calls_say_what_differs_from_the_defaults():
    assert reference_cases.call(layers.Dense(3)) == "Dense(3)"
    assert reference_cases.call(layers.Dense(3, "tanh", bias=False)) == "Dense(3, activation='tanh', bias=False)"
    assert reference_cases.call(layers.Conv2D(2, 3, stride=(1, 2))) == "Conv2D(2, (3, 3), stride=(1, 2))"
    assert reference_cases.call(layers.Function(np.sin, np.cos)) == "Function(sin, cos)"


# ---- equations ----


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("z = a wᵀ + b", r"z=a\,w^{T}+b"),
        ("∂C/∂b^l_j = δ^l_j", r"\frac{\partial C}{\partial b^{l}_{j}}=\delta ^{l}_{j}"),
        ("e^x_j / Σ_k e^x_k", r"e^{x_{j}}\,/\,\sum_{k} e^{x_{k}}"),
        ("e^−2u", "e^{-2u}"),
        ("e^−|z|", "e^{-|z|}"),
        ("e^(−z²/2)", "e^{{-}z^{2}/2}"),
        ("10⁻¹²", "10^{-12}"),
        ("β₁ᵗ", r"\beta _{1}^{t}"),
        ("a_c,is+ud", "a_{c,is+ud}"),
        ("w_{x_i}", "w_{x_{i}}"),
        ("√(σ² + ε) (x − μ)", r"\sqrt{\sigma ^{2}+\varepsilon }\ (x-\mu )"),
        ("x̂ = m̂ / √v̂", r"\hat{x}=\hat{m}\,/\,\sqrt{\hat{v}}"),
        ("x_⌊i/f⌋⌊j/g⌋", r"x_{\lfloor i/f\rfloor \lfloor j/g\rfloor }"),
        ("x_(i s + u)(j s + v)", r"x_{(i\,s+u)(j\,s+v)}"),
        ("|r|^(p−1)", "|r|^{p-1}"),
        ("error_h' ⊙ tanh² c'", r"\text{error}_{h'}\odot \tanh^{2} c'"),
        ("−ln p_y for a label y", r"{-}\ln p_{y}\ \text{for a label}\ y"),
        ("y a < margin", r"y\,a<\text{margin}"),
        ("x (m, *shape) -> a (m, …)", r"x\ (m,\ {*}\mathit{shape})\to a\ (m,\ \ldots )"),
        ("1 − lr_decay", r"1-\mathtt{lr\_decay}"),
    ],
)
def test_equations_as_tex(text, code):
    assert tex(text) == code


@pytest.mark.parametrize("text", ["100 % of x", "a & b", "x_", "x^ y", "√(x", "a ⟶ b", "x\\y", "$x$", "`x"])
def test_what_no_rule_covers_is_refused(text):
    with pytest.raises((Unread, ValueError)):
        tex(text)


def test_an_equation_that_reads_back_otherwise_is_refused(monkeypatch):
    import reference_maths

    assert tex("δ w")
    monkeypatch.setitem(reference_maths.SYMBOLS, "⊙", r"\oplus")
    with pytest.raises(Unread):
        tex("δ = error ⊙ σ'(z)")
    monkeypatch.setattr(reference_maths.Reader, "_scripts", lambda self, base: "")
    with pytest.raises((Unread, KeyError)):
        tex("x_j")


def test_words_side_by_side_are_prose_and_all_is_there():
    parts = pieces("error to the input = error ⊙ σ'(x), summed over the axes, 0 elsewhere")
    assert [part.text for part in parts if part.is_words] == ["error to the input", "summed over the axes,"]
    assert [part.text for part in parts if not part.is_words] == [
        r"=\text{error}\odot \sigma '(x),",
        r"0\ \text{elsewhere}",
    ]


def test_columns_and_items_of_a_block_stay_apart():
    (block,) = blocks("    z = a wᵀ + b,   output σ(z)          a (m, k)   w (n, k)\n    δ = error          BP1, BP2")
    assert [[len(column) for column in row] for row in block.rows] == [[2, 2], [1, 1]]
    assert block.rows[1][1][0][0].text == r"\text{BP1},"


# ---- prose ----


def test_prose_keeps_every_character():
    text = (
        "A *star*, an under_score, a | bar, 1 < 2 & 3 > 2, _x_, **kw, [a](b), \\n, <b>, h_0 and Σ_x, `code_1`, ` alone."
    )
    assert plain(inline(text, lambda name: None)) == text
    parts = inline(text, lambda name: None)
    assert [part.text for part in parts if isinstance(part, Code)] == ["code_1"]
    assert [(part.letter, part.index) for part in parts if isinstance(part, Lowered)] == [("h", "0"), ("Σ", "x")]


def test_docstrings_keep_every_word():
    for entry in ENTRIES.values():
        said = ""
        for block in blocks(entry.doc):
            match block:
                case Paragraph(text):
                    said += plain(text)
                case Equations(_, lines) | Preformatted(lines):
                    said += "".join(lines)
                case _:
                    said += "".join(map(plain, block.items))
        letters = re.sub(r"[^\w]", "", entry.doc).lower()
        assert re.sub(r"[^\w]", "", said).lower() == letters, entry.name


def test_code_stays_as_it_is_and_lists_are_lists():
    doc = "Takes:\n\n    g = mg.Graph()\n\n    run = g.forward(x=1)\n\nIs one of\n\n- `a`: the first,\n  going on\n- b"
    first, code, _, items = blocks(doc)
    assert first == Paragraph(("Takes:",))
    assert code == Preformatted(("g = mg.Graph()", "", "run = g.forward(x=1)"))
    assert [plain(item) for item in items.items] == ["`a`: the first, going on", "b"]


def test_a_statement_belongs_to_the_indented_lines_behind_it():
    (_, code) = blocks("Loops.\n\nfor epoch in mg.epochs(g):\n    if done:\n        break")
    assert code == Preformatted(("for epoch in mg.epochs(g):", "    if done:", "        break"))


def test_sentences_with_an_equals_sign_are_no_equations():
    (block,) = blocks("The mean, C_x = (1/n) ‖y − a‖² over n: PyTorch's MSELoss.")
    assert isinstance(block, Paragraph)
    equation, rest = blocks("σ(z) = z,   σ'(z) = 1: linear neurons.")
    assert isinstance(equation, Equations)
    assert plain(rest.text) == "Linear neurons."
    assert plain(summary("First. Second " + "long " * 40)) == "First."


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Dense(3)", "minigraph.layers.Dense"),
        ("mg.SGD", "minigraph.optimizers.SGD"),
        ("mg.fit(g, …)", "minigraph.fit"),
        ("minigraph.costs.L2", "minigraph.costs.L2"),
        ("run.backward()", "minigraph.Run.backward"),
        ("g.forward(…)", "minigraph.Graph.forward"),
        ("Picture.save", "minigraph.Picture.save"),
        ("GraphError", "minigraph.errors.GraphError"),
        ("name", None),
        ("weights=other.w", None),
        ("Nothing", None),
    ],
)
def test_code_that_is_a_public_name_becomes_a_link(written, name):
    assert full_name(written) == name


def test_the_names_of_others_are_no_links():
    assert full_name("MultiHeadAttention")
    assert not [part for part in inline("PyTorch's MultiHeadAttention", full_name) if isinstance(part, Link)]
    assert not [part for part in inline("torch.nn.GroupNorm(groups)", full_name) if isinstance(part, Link)]
    assert [part for part in inline("Raises GraphError.", full_name) if isinstance(part, Link)]


STEEP = activations.Function(np.exp, np.exp, "exp")


@pytest.mark.parametrize("kind", [*activations.NAMED.values(), STEEP], ids=str)
def test_plots_of_activations_stay_within_their_frame(kind):
    for theme in ("light", "dark"):
        svg = reference_plots.plot(kind, theme)
        points = [
            tuple(map(float, pair.split(","))) for run in re.findall('points="([^"]+)"', svg) for pair in run.split()
        ]
        assert len(points) > 200
        assert all(0 <= x <= reference_plots.WIDTH and 0 <= y <= reference_plots.HEIGHT for x, y in points)
