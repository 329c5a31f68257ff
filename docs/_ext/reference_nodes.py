"""Parts of docstrings, signatures and tables as nodes of a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from reference_names import Entry, Member
from reference_pieces import Piece
from reference_prose import Block, Bullets, Code, Equations, Inline, Link, Lowered, Paragraph, Preformatted
from reference_resolve import full_name
from sphinx import addnodes
from sphinx.domains.python import PyAttribute, PyClasslike, PyFunction, PyMethod, PyObject, PyProperty, PyVariable
from sphinx.util.docutils import SphinxDirective


def prose(blocks: Iterable[Block]) -> list[nodes.Node]:
    """The parts of a docstring."""
    return [_block(block) for block in blocks]


def inline(text: Inline) -> list[nodes.Node]:
    """Prose within a paragraph or a cell."""
    return [_inline(part) for part in text]


def _inline(part: str | Code | Link | Lowered) -> nodes.Node:
    match part:
        case Link(text, target, is_code):
            return link(target, nodes.literal(text, text) if is_code else nodes.inline(text, text))
        case Code(text):
            return nodes.literal(text, text)
        case Lowered(text, letter, index):
            return nodes.inline(text, letter, nodes.subscript(index, index))
    return nodes.Text(part)


def link(target: str, shown: nodes.Node) -> addnodes.pending_xref:
    """A link to a public name, wherever its page is; one that leads nowhere is a warning."""
    return addnodes.pending_xref("", shown, refdomain="py", reftype="obj", reftarget=target, refexplicit=True)


def _block(block: Block) -> nodes.Node:
    match block:
        case Paragraph(text):
            return nodes.paragraph("", "", *inline(text))
        case Bullets(items):
            return nodes.bullet_list("", *(nodes.list_item("", nodes.paragraph("", "", *inline(i))) for i in items))
        case Equations():
            return _equations(block)
        case Preformatted(lines):
            text = "\n".join(lines)
            python = any(sign in text for sign in ("mg.", " = ", "(self"))
            return nodes.literal_block(text, text, language="py" if python and "->" not in text else "text", force=True)
    raise TypeError(block)


def _equations(block: Equations) -> nodes.Node:
    """A line for each row; its formulas are inline, so that lines end where a narrow page ends."""
    out = nodes.container(classes=["equations"])
    for row in block.rows:
        line = nodes.container(classes=["equation-row"])
        for number, column in enumerate(row):
            cell = nodes.paragraph(classes=["equation", "equation-beside"] if number else ["equation"])
            for item in column:
                cell += [
                    nodes.inline("", "", *_set(item, r"\displaystyle "), classes=["equation-item"]),
                    nodes.Text(" "),
                ]
            line += cell
        out += line
    return out


def formulas(block: Equations) -> list[nodes.Node]:
    """All of its formulas in a row, as small as the text around them."""
    items = [item for row in block.rows for column in row for item in column]
    return [part for item in items for part in (*_set(item, ""), nodes.Text("  "))]


def _set(item: Iterable[Piece], style: str) -> list[nodes.Node]:
    out: list[nodes.Node] = []
    for piece in item:
        out += [nodes.Text(" ")] * bool(out)
        out.append(nodes.Text(piece.text) if piece.is_words else nodes.math(piece.text, style + piece.text))
    return out


def table(
    header: Sequence[str], rows: Iterable[Sequence[Sequence[nodes.Node]]], classes: Sequence[str] = ()
) -> nodes.table:
    """A table of cells of inline nodes."""
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in header), cols=len(header))
    head = nodes.row("", *(nodes.entry("", nodes.paragraph(name, name)) for name in header))
    body = [nodes.row("", *(nodes.entry("", nodes.paragraph("", "", *cell)) for cell in row)) for row in rows]
    group += [nodes.thead("", head), nodes.tbody("", *body)]
    return nodes.table("", group, classes=["reference-table", *classes], support_smartquotes=False)


def code(text: str) -> nodes.literal:
    """A bit of code."""
    return nodes.literal(text, text)


KINDS: dict[str, type[PyObject]] = {
    "class": PyClasslike,
    "exception": PyClasslike,
    "function": PyFunction,
    "data": PyVariable,
    "method": PyMethod,
    "property": PyProperty,
    "attribute": PyAttribute,
}


def described(
    directive: SphinxDirective, thing: Entry | Member, owner: Entry | None, content: Sequence[nodes.Node]
) -> list[nodes.Node]:
    """A signature with an anchor and an entry in the index, and what is said about it."""
    entry = owner or thing
    assert isinstance(entry, Entry)
    name = f"{owner.short}.{thing.name}" if owner else entry.short
    kind = KINDS[thing.kind]
    options: dict[str, Any] = {"module": entry.module or None}
    made = kind(
        f"py:{thing.kind}",
        [name + thing.signature],
        options,
        StringList(),
        directive.lineno,
        directive.content_offset,
        "",
        directive.state,
        directive.state_machine,
    ).run()
    for node in made:
        if isinstance(node, addnodes.desc):
            node[-1] += content
            node["support_smartquotes"] = False  # quotation marks are Python's, and σ' has a prime
            node["classes"].append("reference-entry" if owner is None else "reference-member")
            signature = node[0]
            _link_types(signature)
            if owner is None:
                _note_aliases(directive, entry, signature)
    return made


def _note_aliases(directive: SphinxDirective, entry: Entry, signature: addnodes.desc_signature) -> None:
    """The shorter names of a thing lead here, too."""
    domain = directive.env.domains["py"]
    for alias in entry.aliases:
        domain.note_object(alias, entry.kind, signature["ids"][0], aliased=True, location=signature)  # type: ignore[attr-defined]


def _link_types(signature: nodes.Element) -> None:
    """Types in a signature lead to their pages, those that have one."""
    for reference in list(signature.findall(addnodes.pending_xref)):
        target = full_name(reference["reftarget"])
        children = reference.children
        if target:
            reference.replace_self(link(target, nodes.inline("", "", *children)))
        else:
            reference.replace_self(children)
