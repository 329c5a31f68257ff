"""The reference, made of docstrings and of the table of layers and costs while the site is built.

Before pages are read, `docs/reference/` gets a file for each of them that holds a title and a directive; what the
directive puts there comes from the library. The files are no part of the repository.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from reference_names import groups
from reference_nodes import link
from reference_pages import contents
from reference_resolve import full_name
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective

FOLDER = "reference"


class Reference(SphinxDirective):
    """The content of a page of the reference; its argument is the page's name."""

    required_arguments = 1
    has_content = False

    def run(self) -> list[nodes.Node]:
        """Make it, and note what it was made of."""
        return contents(self, self.arguments[0])


class Names(SphinxTransform):
    """Public names in other pages' sentences and tables become links, each where it comes first in its section."""

    default_priority = 203

    def apply(self, **kwargs: Any) -> None:
        """Turn them."""
        if self.env.docname.startswith(f"{FOLDER}/"):
            return
        linked = set[tuple[nodes.Node, str]]()
        for code in list(self.document.findall(nodes.literal)):
            around = list(_around(code))
            target = full_name(code.astext())
            if target is None or any(isinstance(node, (nodes.reference, pending_xref, nodes.title)) for node in around):
                continue
            place = next(node for node in around if isinstance(node, (nodes.section, nodes.document))), target
            if place not in linked:
                linked.add(place)
                code.parent.replace(code, link(target, code.deepcopy()))


def _around(node: nodes.Node) -> Iterator[nodes.Node]:
    """What a node stands in, from its parent to the page."""
    while node.parent is not None:
        node = node.parent
        yield node


def pages() -> dict[str, str]:
    """The text of each page's file, by the page's name."""
    found = {}
    for group, there in groups():
        if not group.title or not there:
            continue
        own = [entry for entry in there if "/" in entry.page]
        found[group.page] = _page(group.title, group.page, [entry.page for entry in own])
        for entry in own:
            found[entry.page] = _page(entry.short, entry.page, [])
    found["index"] = _page("Reference", "index", [group.page for group, there in groups() if group.title and there])
    return found


def _page(title: str, name: str, below: list[str]) -> str:
    tree = ["```{toctree}", ":hidden:", "", *(f"/{FOLDER}/{page}" for page in below), "```", ""] if below else []
    return "\n".join([f"# {title}", "", *tree, f"```{{reference}} {name}", "```", ""])


def write(app: Sphinx) -> None:
    """Write what isn't there yet or differs, and remove what no page of the reference is any more."""
    folder = Path(app.srcdir) / FOLDER
    there = pages()
    for name, text in there.items():
        path = folder / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in folder.rglob("*.md"):
        if path.relative_to(folder).with_suffix("").as_posix() not in there:
            path.unlink()


def configure(app: Sphinx, config: Config) -> None:
    """Long signatures have a line for each parameter; words in formulas look like those around them."""
    if config.maximum_signature_line_length is None:
        config.maximum_signature_line_length = 68
    config.mathjax3_config.setdefault("svg", {}).setdefault("mtextInheritFont", True)


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx asks an extension for."""
    app.add_directive("reference", Reference)
    app.add_transform(Names)
    app.connect("config-inited", configure)
    app.connect("builder-inited", write)
    app.add_css_file("reference.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
