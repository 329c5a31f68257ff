"""The words in a box: name, layer, shapes, Params, or the book's letters."""

from __future__ import annotations

from ..costs import Cost, Penalty
from ..layer import Input, Neurons, Node
from ..layers import Dense
from ..param import Param
from ..summary import kind_of, shape_text, shapes_of
from ..symbols import Symbols
from .facts import worth_saying
from .scene import Box, Scene
from .style import Look, Style, escape

NAMED = 3
"""Of many uses or inputs, so many are named."""


def rows_of(box: Box, scene: Scene, style: Style, look: Look, ink: str, soft: str) -> tuple[str, list[str], list[str]]:
    """Markup of the name, markup of what it is, and texts about its sizes: as much as the view's detail asks for."""
    size = look.size or style.name_size
    name = style.words(_name(box) if look.label is None else look.label, size, ink, bold=True)
    if box.repeated > 1:
        shared = " shared" * box.shared
        name += style.say(f"&#160;&#160;×{box.repeated}{shared}", size, style.tie, bold=True)
    detail = scene.view.detail
    if detail == "name":
        return name, [], []
    if detail == "symbols":
        return name, [style.say(formula, color=ink) for formula in _formulas(box, scene)], []
    words = [style.words(_kind(box, scene), color=soft, stretch=2)]
    sizes = [] if isinstance(box.nodes[0].layer, Penalty) else [_shapes(box, scene)]
    if detail == "full":
        if box.block is None and not box.is_merged:
            sizes += [escape(words) for words in worth_saying(box.nodes[0].layer)]
        sizes += _params(box, scene)
    return name, words, [size for size in sizes if size]


def symbol(letter: str, below: str, above: str) -> str:
    """A letter with a superscript and maybe a subscript, as markup: w^l, w_q^l."""
    return f"{escape(letter)}<SUP>{escape(above)}</SUP>" + (f"<SUB>{escape(below)}</SUB>" if below else "")


def param_symbol(name: str) -> str:
    """A Param's name as markup: γ for gamma, w with a subscript for w_q."""
    letter, below = _letter(name)
    return escape(letter) + (f"<SUB>{escape(below)}</SUB>" if below else "")


def counted(params: int, kind: str = "") -> str:
    """A number of Params in words: "78 params"."""
    return f"{params:,} {kind}param{'s' * (params != 1)}"


def _name(box: Box) -> str:
    if box.repeated > 1:
        first = box.block if box.block is not None else box.nodes[0].name
        return f"{_within(first, box.path)} … {_within(box.last, box.path)}"
    if box.is_merged:
        names = [_within(node.name, box.path) for node in box.nodes]
        return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
    return box.block if box.block is not None else _within(box.nodes[0].name, box.path)


def _within(name: str, path: tuple[str, ...]) -> str:
    """A name without what the frame around it says already."""
    return name.removeprefix("/".join(path) + "/")


def _kind(box: Box, scene: Scene) -> str:
    node = box.nodes[0]
    if box.block is not None:
        count = len(box.units[0])
        return f"block of {count} node{'s' * (count != 1)}"
    kind = kind_of(node, node in scene.targets)
    if not box.is_merged:
        return kind
    feeding = sum(source in box.nodes for node in box.nodes for source in node.inputs)
    return f"{kind}, {len(box.nodes)} uses" + (f", {feeding} of which take what another gave" if feeding else "")


def _shapes(box: Box, scene: Scene) -> str:
    first = box.units[0]
    if box.block is None:
        node = first[0]
        return f"{len(node.inputs)} inputs → {shape_text(node.shape)}" if len(node.inputs) > 4 else shapes_of(node)
    inside = set(first)
    ins = list(dict.fromkeys(source for node in first for source in node.inputs if source not in inside))
    users = {node: [user for user, _ in scene.users[node]] for node in first}
    outs = [node for node, others in users.items() if not others or not inside.issuperset(others)]
    sides = [[shape_text(node.shape) for node in nodes] for nodes in (ins, outs)]
    said = [" + ".join(side) if len(side) <= NAMED else f"{len(side)} values" for side in sides]
    return " → ".join(side for side in said if side)


def _params(box: Box, scene: Scene) -> list[str]:
    nodes = box.units[0] if not box.is_merged else box.nodes[:1]
    params: list[Param] = list({param: None for node in nodes for param in node.layer.params.values()})
    if not params:
        return []
    total = sum(param.size for param in params)
    frozen = ", frozen" if all(node.layer.frozen for node in nodes if node.layer.params) else ""
    if isinstance(nodes[0].layer, Penalty) and box.block is None:
        return [f"of {counted(total)}{frozen}"]
    if box.repeated > 1:
        return [(counted(total, "shared ") if box.shared else f"{box.repeated} × {counted(total)}") + frozen]
    shared = sum(param.size for param in params if param in scene.shared)
    if shared in (0, total):
        return [counted(total, "shared " * bool(shared)) + frozen]
    return [f"{counted(total)}, {shared:,} shared{frozen}"]


def _formulas(box: Box, scene: Scene) -> list[str]:
    """What a node computes, in the book's letters."""
    node, symbols = box.nodes[0], scene.symbols
    if box.block is not None:
        return []
    if isinstance(node.layer, Cost):
        return [symbol("C", "", symbols.cost(node)) if symbols.cost(node) else "C"]
    a = symbol("a", "", symbols[node])
    if isinstance(node.layer, Input):
        return [f"{a} = x" if symbols.is_numbered(node) else a]
    if not node.layer.params:
        return [a, symbol("δ", "", symbols[node])]
    letters = [symbol(*_letter(name), symbols[node]) for name in node.layer.params]
    if isinstance(node.layer, Dense):
        return _dense(node, symbols, letters)
    if isinstance(node.layer, Neurons):
        z = symbol("z", "", symbols[node])
        return [f"{', '.join(letters)} → {z}", f"{a} = σ({z})", symbol("δ", "", symbols[node])]
    return [f"{', '.join(letters)} → {a}", symbol("δ", "", symbols[node])]


def _dense(node: Node, symbols: Symbols, letters: list[str]) -> list[str]:
    above = symbols[node]
    z, a, before = symbol("z", "", above), symbol("a", "", above), symbol("a", "", symbols[node.inputs[0]])
    bias = f" + {letters[1]}" if len(letters) > 1 else ""
    linear = str(getattr(node.layer, "sigma", "")) == "identity"
    return [f"{z} = {letters[0]} {before}{bias}", f"{a} = {z}" if linear else f"{a} = σ({z})", symbol("δ", "", above)]


def _letter(name: str) -> tuple[str, str]:
    """A Param's letter and its subscript."""
    letter, _, below = name.partition("_")
    return {"gamma": "γ", "beta": "β"}.get(letter, letter), below
