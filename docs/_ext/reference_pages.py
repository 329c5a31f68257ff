"""What stands on the pages of the reference."""

from __future__ import annotations

import inspect
from importlib import import_module
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

import reference_cases as cases
from docutils import nodes
from pages_drawings import Drawing
from reference_groups import Group
from reference_names import Entry, entries, groups
from reference_nodes import code, described, formulas, inline, link, prose, table
from reference_plots import plot
from reference_prose import Equations, blocks, summary
from reference_resolve import full_name
from sphinx.util.docutils import SphinxDirective

from minigraph.activations import NAMED, Activation
from minigraph.layer import Layer

SHAPES = "Shapes of samples, the batch axis left out: the rows of the table that tests and this page are made of."


def contents(directive: SphinxDirective, page: str) -> list[nodes.Node]:
    """What stands below the title of a page: one name, a group, or the index of groups."""
    for path in [*Path(__file__).parent.glob("reference*.py"), *cases.sources()]:
        directive.env.note_dependency(str(path))
    if page == "index":
        return _index()
    group, there = next((group, there) for group, there in groups() if group.page == page.split("/")[0])
    there = [entry for entry in there if page in (group.page, entry.page)]
    for entry in there:
        directive.env.note_dependency(str(cases.ROOT / entry.source))
    if "/" in page:
        return _alone(directive, there[0])
    out = [*prose(blocks(group.intro, full_name)), *_summaries(there, bool(group.families))]
    for entry in there:
        if entry.page == page:
            out += _entry(directive, entry)
    return out


def _index() -> list[nodes.Node]:
    """The groups, with the names in them."""
    rows = []
    for group, there in groups():
        if not group.title or not there:
            continue
        names: list[nodes.Node] = []
        for entry in sorted(there, key=lambda entry: entry.short.lower()):
            names += [link(entry.name, code(entry.short)), nodes.Text(" ")]
        rows.append([[_to_group(group)], names])
    intro = (
        "Every public name, with its docstring. Layers and costs have their equations, their shapes and a drawing; "
        "these come from the table of cases that the tests run. `import minigraph as mg` is assumed."
    )
    return [*prose(blocks(intro)), table(["group", "names"], rows, ["reference-index"])]


def _to_group(group: Group) -> nodes.Node:
    from sphinx import addnodes

    shown = nodes.strong(group.title, group.title)
    return addnodes.pending_xref(
        "", shown, refdomain="std", reftype="doc", reftarget=f"/reference/{group.page}", refexplicit=True
    )


def _summaries(there: list[Entry], in_families: bool) -> list[nodes.Node]:
    """A line about each name, in a table for each family."""
    out: list[nodes.Node] = []
    for source, family in groupby(there, key=lambda entry: entry.source if in_families else ""):
        if source:
            title = (import_module(source[:-3].replace("/", ".")).__doc__ or "").split(".")[0].split(":")[0]
            out.append(nodes.rubric(title, title))
        rows = [[[link(entry.name, code(entry.short))], _summary(entry)] for entry in family]
        out.append(table(["name", ""], rows, ["reference-summary"]))
    return out


def _summary(entry: Entry) -> list[nodes.Node]:
    def resolve(name: str) -> str | None:
        return full_name(name, entry.module, entry.name)

    first = next(iter(blocks(entry.doc, resolve)), None)
    return formulas(first) if isinstance(first, Equations) else inline(summary(entry.doc, resolve))


def _alone(directive: SphinxDirective, entry: Entry) -> list[nodes.Node]:
    """The page of one name: what it is, then its shapes, then its methods."""
    out = described(directive, entry, None, [*_facts(entry), *_said(entry), *_picture(entry)])
    if inspect.isclass(entry.thing) and issubclass(entry.thing, Layer) and (rows := cases.rows_of(entry.thing)):
        out.append(_section(entry, "Shapes", [nodes.paragraph(SHAPES, SHAPES), _shapes(rows)]))
    if members := _members(directive, entry):
        out.append(_section(entry, "Methods and attributes", members))
    return out


def _section(entry: Entry, title: str, content: list[nodes.Node]) -> nodes.section:
    name = nodes.make_id(f"{entry.short} {title}")
    return nodes.section("", nodes.title(title, title), *content, ids=[name], names=[name])


def _entry(directive: SphinxDirective, entry: Entry) -> list[nodes.Node]:
    """A name on a page with others."""
    return described(
        directive, entry, None, [*_facts(entry), *_said(entry), *_curves(entry), *_members(directive, entry)]
    )


def _said(entry: Entry) -> list[nodes.Node]:
    return prose(blocks(entry.doc, lambda name: full_name(name, entry.module, entry.name)))


def _members(directive: SphinxDirective, entry: Entry) -> list[nodes.Node]:
    out: list[nodes.Node] = []
    for member in sorted(entry.members, key=lambda member: member.kind in ("attribute", "property")):
        if member.doc:
            said = prose(blocks(member.doc, lambda name: full_name(name, entry.module, entry.name)))
            out += described(directive, member, entry, said)
    return out


def _facts(entry: Entry) -> list[nodes.Node]:
    """What else to know, on one line: bases, shorter names, PyTorch's name, the file; of data, its value."""
    facts: list[list[nodes.Node]] = []
    if inspect.isclass(entry.thing):
        known = {other.thing: other for other in entries().values() if other.kind in ("class", "exception")}
        bases = [known[base] for base in entry.thing.__bases__ if base in known]
        if bases:
            named: list[nodes.Node] = [nodes.Text("a ")]
            for i, base in enumerate(bases):
                named += [nodes.Text(" and ")] * bool(i) + [link(base.name, code(base.short))]
            facts.append(named)
    facts += [[nodes.Text("also "), code(alias.replace("minigraph.", "mg."))] for alias in entry.aliases]
    if entry.page.startswith(("layers/", "costs/")):
        if entry.short in cases.pytorch():
            facts.append([nodes.Text("PyTorch's "), code(cases.pytorch()[entry.short])])
        if _goes_to_onnx(entry):
            facts.append([nodes.Text("exported to ONNX")])
    if entry.kind == "data":
        facts.append([code(_value(entry.thing))])
    if entry.source:
        facts.append([nodes.inline(entry.source, entry.source, classes=["reference-source"])])
    line = nodes.paragraph(classes=["reference-facts"])
    for i, fact in enumerate(facts):
        line += [nodes.Text(" · ")] * bool(i) + fact
    return [line] if facts else []


def _goes_to_onnx(entry: Entry) -> bool:
    if find_spec("onnx") is None:
        return False
    from minigraph.interop.onnx import EXPORTED

    return entry.thing in EXPORTED


def _value(thing: object) -> str:
    if isinstance(thing, dict):
        return ", ".join(map(repr, thing))
    if isinstance(thing, frozenset):
        return ", ".join(sorted(kind.__name__ for kind in thing))
    return (
        str(thing).replace("collections.abc.", "").replace("typing.", "")
        if not hasattr(thing, "scale")
        else repr(thing)
    )


def _shapes(rows: tuple[cases.Row, ...]) -> nodes.Node:
    shown = []
    for row in rows:
        inputs = ", ".join(row.inputs)
        params: list[nodes.Node] = []
        for name, shape in row.params:
            params += [nodes.inline(f"{name} {shape}", f"{name} {shape}", classes=["shape"]), nodes.Text(" ")]
        arrow = nodes.inline("", f"{inputs} → {row.output}", classes=["shape"])
        shown.append([[nodes.Text(row.name)], [code(row.call)], [arrow], params])
    columns = ["row", "layer", "inputs → output", "Params"]
    if not any(row.params for row in rows):
        columns, shown = columns[:3], [cells[:3] for cells in shown]
    return table(columns, shown, ["reference-shapes"])


def _picture(entry: Entry) -> list[nodes.Node]:
    if not (inspect.isclass(entry.thing) and entry.page.startswith(("layers/", "costs/"))):
        return []
    drawn = cases.drawing(entry.thing)
    if drawn is None:
        return []
    name = f"reference-{entry.page.replace('/', '-')}"
    caption = nodes.paragraph("", "", code(drawn.call), nodes.Text(drawn.caption), classes=["reference-caption"])
    return [
        Drawing("", name=name, alt=drawn.light.description, light=drawn.light.svg(), dark=drawn.dark.svg()),
        caption,
    ]


def _curves(entry: Entry) -> list[nodes.Node]:
    """σ and σ' of an activation that goes by a name, once for its class and its object."""
    kinds = [kind for kind in NAMED.values() if type(kind) is entry.thing]
    if not kinds or not isinstance(kinds[0], Activation):
        return []
    alt = f"σ and its slope σ' of {kinds[0]}, for z from −4 to 4"
    both = {theme: plot(kinds[0], theme) for theme in ("light", "dark")}
    return [Drawing("", name=f"reference-sigma-{kinds[0]}", alt=alt, **both)]
