"""The words in a box: name, layer, shapes, Params, or the book's letters."""

from __future__ import annotations

from ..costs import Cost, Penalty
from ..layer import Input, Layer, Neurons
from ..layers import Dense, Slice
from ..param import Param, Transposed
from ..summary import kind_of, shape_text, shapes_of
from ..symbols import param_letter
from .boxes import Box, Frame
from .facts import worth_saying
from .scene import Scene
from .style import Look, Style, escape

NAMED = 3
"""Of many uses or inputs, so many are named."""


def rows_of(box: Box, scene: Scene, style: Style, look: Look, ink: str, soft: str) -> tuple[str, list[str], list[str]]:
    """Markup of the name, markup of what it is, and texts about its sizes: as much as the view's detail asks for."""
    size = look.size or style.name_size
    name = style.words(_name(box) if look.label is None else look.label, size, ink, bold=True)
    if box.repeated > 1:
        name += style.say(f"&#160;&#160;{times_of(box)}" + " shared" * box.shared, size, style.tie, bold=True)
    detail = scene.view.detail
    if detail == "name":
        return name, [], []
    if detail == "symbols":
        return name, [style.say(formula, color=ink) for formula in _formulas(box, scene)], []
    words = [style.words(_kind(box, scene), color=soft, stretch=2)]
    sizes = [] if isinstance(box.first.layer, Penalty) else [_shapes(box, scene)]
    if detail == "full":
        if box.block is None and not box.is_merged:
            sizes += [escape(words) for words in worth_saying(box.first.layer)]
        sizes += _params(box, scene)
    return name, words, [size for size in sizes if size]


def times_of(what: Box | Frame) -> str:
    """How often something is repeated: ×4, or ×4 ∥ for what stands side by side."""
    count = what.repeated if isinstance(what, Box) else what.times
    return f"×{count}" if what.chained else f"×{count} ∥"


def symbol(letter: str, below: str, above: str) -> str:
    """A letter with a superscript and maybe a subscript, as markup: w^l, w_q^l."""
    return f"{escape(letter)}<SUP>{escape(above)}</SUP>" + (f"<SUB>{escape(below)}</SUB>" if below else "")


def param_symbol(name: str) -> str:
    """A Param's name as markup: γ for gamma, w with a subscript for w_q."""
    letter, below = param_letter(name)
    return escape(letter) + (f"<SUB>{escape(below)}</SUB>" if below else "")


def counted(params: int, kind: str = "") -> str:
    """A number of Params in words: "78 params"."""
    return f"{params:,} {kind}param{'s' * (params != 1)}"


def _name(box: Box) -> str:
    if box.repeated > 1:
        return f"{within(box.name, box.path)} … {within(box.last, box.path)}"
    if box.is_merged:
        names = [within(node.name, box.path) for node in box.units[0]]
        return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
    return within(box.name, box.path)


def within(name: str, path: tuple[str, ...]) -> str:
    """A name without what the frame around it says already."""
    return name.removeprefix("/".join(path) + "/") if path else name


def _kind(box: Box, scene: Scene) -> str:
    node, unit = box.first, box.units[0]
    if box.block is not None:
        return f"block of {len(unit)} node{'s' * (len(unit) != 1)}"
    kind = kind_of(node, node in scene.targets)
    if isinstance(node.layer, Slice) and box.times > 1:
        kind = f"{kind} … {kind_of(box.units[-1][0], False).removeprefix('Slice ')}"
    if not box.is_merged:
        return kind
    inside = set(unit)
    feeding = sum(source in inside for node in unit for source in node.inputs)
    return f"{kind}, {len(unit)} uses" + (f", {feeding} of which take what another gave" if feeding else "")


def _shapes(box: Box, scene: Scene) -> str:
    first = box.units[0]
    if box.block is None:
        return shapes_of(first[0])
    inside, declared = set(first), set(scene.graph.outputs)
    ins = list(dict.fromkeys(source for node in first for source in node.inputs if source not in inside))
    users = {node: {user for user, _ in scene.users[node]} for node in first}
    outs = [node for node in first if node in declared or not users[node] <= inside]
    outs = outs or [node for node in first if not users[node]]  # a block that leads nowhere
    sides = [[shape_text(node.shape) for node in nodes] for nodes in (ins, outs)]
    said = [" + ".join(side) if len(side) <= NAMED else f"{len(side)} values" for side in sides]
    return " → ".join(side for side in said if side)


def _params(box: Box, scene: Scene) -> list[str]:
    nodes = box.units[0][:1] if box.is_merged else box.units[0]
    params: dict[Param, list[Layer]] = {}
    for node in nodes:
        for param in node.layer.params.values():
            params.setdefault(param, []).append(node.layer)
    if not params:
        return []
    total = sum(param.size for param in params)
    still = sum(param.size for param, layers in params.items() if all(layer.frozen for layer in layers))
    frozen = "" if not still else ", frozen" if still == total else f", {still:,} frozen"
    if isinstance(box.first.layer, Penalty) and box.block is None:
        return [f"of {counted(total)}{frozen}"]
    if box.repeated > 1:
        return [(counted(total, "shared ") if box.shared else f"{box.repeated} × {counted(total)}") + frozen]
    shared = sum(param.size for param in params if param in scene.shared)
    if shared in (0, total):
        return [counted(total, "shared " * bool(shared)) + frozen]
    return [f"{counted(total)}, {shared:,} shared{frozen}"]


def _formulas(box: Box, scene: Scene) -> list[str]:
    """What a node computes, in the book's letters."""
    node, symbols = box.first, scene.symbols
    if box.block is not None:
        return []
    if isinstance(node.layer, Cost):
        return [symbol("C", "", symbols.cost(node)) if symbols.cost(node) else "C"]
    above = symbols[node] if box.repeated == 1 else f"{symbols[node]}…{symbols[box.units[-1][0]]}"
    a, delta = symbol("a", "", above), symbol("δ", "", above)
    if isinstance(node.layer, Input):
        return [f"{a} = x" if symbols.is_numbered(node) else a]
    if not node.layer.params:
        return [a, delta]
    letters = {name: symbol(*param_letter(name), above) for name in node.layer.params}
    z = symbol("z", "", above)
    if isinstance(node.layer, Dense):
        before = symbol("a", "", symbols[node.inputs[0]] if box.repeated == 1 else "before")
        return [f"{z} = {_dense(node.layer, letters)} {before}{_plus(letters)}", _activated(node.layer, a, z), delta]
    if isinstance(node.layer, Neurons):
        return [f"{', '.join(letters.values())} → {z}", _activated(node.layer, a, z), delta]
    return [f"{', '.join(letters.values())} → {a}", delta]


def _dense(layer: Dense, letters: dict[str, str]) -> str:
    """The weights, as they multiply what comes in."""
    w = letters.get("w", "w")
    return f"({w})<SUP>T</SUP>" if isinstance(layer.weights, Transposed) else w


def _plus(letters: dict[str, str]) -> str:
    return f" + {letters['b']}" if "b" in letters else ""


def _activated(layer: Neurons, a: str, z: str) -> str:
    return f"{a} = {z}" if str(layer.sigma) == "identity" else f"{a} = σ({z})"
