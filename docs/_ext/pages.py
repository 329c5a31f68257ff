"""Runs a page's Python blocks while the site is built, to show beneath them what they print and draw.

A page's ```python blocks run in order, in one process of their own, in an empty folder, with warnings as errors.
Comments right before a block say what is special about it: `<!-- raises -->` (an error of minigraph, or of a kind that
is named: `<!-- raises KeyError -->`), `<!-- hide output -->`, `<!-- figure only -->`. Right after it,
`<!-- embed page.html -->` shows a page that it wrote.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_parser.parsers.sphinx_ import MystParser
from pages_drawings import Drawing, Embedded, visit_drawing, visit_embedded
from pages_process import Failed, run
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import new_document

logger = logging.getLogger(__name__)
COLUMNS = re.compile(r"\S {2,}\S|[─┌│]")  # what is set in columns; other output is wrapped
COMMENT = re.compile(r"<!--\s*(raises(?: \w+)?|hide output|figure only|embed (\S+))\s*-->\s*")


class Blocks(SphinxTransform):
    """Runs the Python blocks of one page, and shows what comes out."""

    default_priority = 200

    def apply(self, **kwargs: Any) -> None:
        """Run them all; the first that doesn't do as it must is an error at the page's line."""
        found = [node for node in self.document.findall(nodes.literal_block) if node.get("language") == "python"]
        if not found:
            return
        for path in self.config.pages_dependencies:
            self.env.note_dependency(str(path))
        blocks = [Block(node) for node in found]
        page = self.env.docname
        try:
            results = run(Path(self.env.doc2path(page)), [block.asked() for block in blocks])
        except Failed as failure:
            logger.error(str(failure), location=(page, failure.line))
            self.env.metadata[page]["failed"] = failure.line
            self.env.note_reread()
            return
        number = 0
        for block, shown in zip(blocks, results, strict=True):
            out = []
            for kind, content in shown:
                number += kind in ("drawing", "page")
                out.append(self.node_of(kind, content, f"{page.replace('/', '-')}-{number}"))
            block.show(out)

    def node_of(self, kind: str, content: Any, name: str) -> nodes.Element:
        """What is shown of one thing that a block gave."""
        if kind == "drawing":
            return Drawing("", name=name, **content)
        if kind == "page":
            return Embedded("", name=name, **content)
        if kind == "markdown":
            return self.typeset(content)
        prose = [] if COLUMNS.search(content) else ["prose"]
        return nodes.literal_block(content, content, language="text", classes=["output", kind, *prose])

    def typeset(self, text: str) -> nodes.container:
        """Markdown with formulas. Its headings, which begin with the second level, are none of the page's."""
        document = new_document(self.document["source"], self.document.settings)
        MystParser().parse(re.sub("^##", "#", text, flags=re.MULTILINE), document)
        for section in list(document.findall(nodes.section)):
            title, *rest = section.children
            section.parent.replace(section, [nodes.rubric("", "", *title.children), *rest])
        return nodes.container("", *document.children, classes=["explanation"])


class Block:
    """A block of Python with the comments about it, which are taken out of the page."""

    def __init__(self, node: nodes.literal_block):
        self.node = node
        self.words, self.embeds = list[str](), list[str]()
        place = node.parent.index(node)
        for before in node.parent.children[:place][::-1]:
            if not (found := comment(before)) or found[2]:
                break
            self.words.append(found[1])
            node.parent.remove(before)
        place = node.parent.index(node)
        for behind in node.parent.children[place + 1 :]:
            if not (found := comment(behind)) or not found[2]:
                break
            self.embeds.append(found[2])
            node.parent.remove(behind)

    def asked(self) -> dict[str, Any]:
        """What is to be run."""
        raises = [
            word.removeprefix("raises").strip() or "minigraph" for word in self.words if word.startswith("raises")
        ]
        line = (self.node.line or 0) + 1
        return {
            "line": line,
            "code": self.node.astext(),
            "raises": raises[0] if raises else None,
            "embeds": self.embeds,
        }

    def show(self, out: list[nodes.Element]) -> None:
        """Put what came out beneath the code, or in its place."""
        if "hide output" in self.words:
            out = [node for node in out if isinstance(node, Embedded)]
        code = [] if "figure only" in self.words else [self.node]
        self.node.parent.replace(self.node, [*code, *out])


def comment(node: nodes.Node) -> re.Match[str] | None:
    """What a comment says about a block."""
    return COMMENT.fullmatch(node.astext()) if isinstance(node, nodes.raw) else None


class Images(SphinxTransform):
    """Drawings that are files, alone in their paragraph, are shown like those that blocks draw.

    If there is `flow_dark.svg` beside `flow.svg`, dark pages show that.
    """

    default_priority = 201

    def apply(self, **kwargs: Any) -> None:
        """Replace the paragraphs."""
        here = Path(self.env.doc2path(self.env.docname)).parent
        for image in list(self.document.findall(nodes.image)):
            path = here / image["uri"]
            if path.suffix != ".svg" or not path.is_file() or len(image.parent.children) > 1:
                continue
            dark = path.with_stem(f"{path.stem}_dark")
            self.env.note_dependency(str(path))
            shown = {"light": path.read_text("utf-8"), "dark": dark.read_text("utf-8") if dark.is_file() else None}
            image.parent.parent.replace(image.parent, Drawing("", name=path.stem, alt=image["alt"], **shown))


class Links(SphinxTransform):
    """Links to what the site doesn't hold: the README is its first page; of folders and other pages the name is left.

    Links to other files are downloads, as MyST makes them.
    """

    default_priority = 202

    def apply(self, **kwargs: Any) -> None:
        """Turn them, or take them away."""
        here = Path(self.env.doc2path(self.env.docname)).parent
        docs = Path(self.env.srcdir)
        for link in list(self.document.findall(pending_xref)):
            target = (here / link["reftarget"]).resolve()
            if link["reftype"] != "myst" or target.is_relative_to(docs.resolve()):
                continue
            if target == docs.resolve().parent / "README":
                link["reftarget"] = "index"
            elif target.is_dir() or target.with_suffix(".md").is_file():
                link.parent.replace(link, link.children)


def fail(app: Sphinx, exception: Exception | None) -> None:
    """Let a build fail that has pages whose blocks failed, also where warnings aren't errors."""
    if any("failed" in about for about in app.env.metadata.values()):
        app.statuscode = 1


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx what there is; pages are read again when one of the files `pages_dependencies` changes."""
    app.add_config_value("pages_dependencies", [], "env")
    app.add_node(Drawing, html=(visit_drawing, None))
    app.add_node(Embedded, html=(visit_embedded, None))
    app.connect("build-finished", fail)
    for transform in (Blocks, Images, Links):
        app.add_transform(transform)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
