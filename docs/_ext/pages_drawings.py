"""Drawings and pages within a page: files of their own beside it."""

from __future__ import annotations

import html
import re
from pathlib import Path

from docutils import nodes
from sphinx.util.osutil import relative_uri
from sphinx.writers.html5 import HTML5Translator

FOLDER = "_drawn"


class Drawing(nodes.General, nodes.Element):
    """A drawing: `light` and, where there is one, `dark`, as SVG; `alt`; and the `name` of its files."""


class Embedded(nodes.General, nodes.Element):
    """A page that a block wrote: its `text`, its `title`, and the `name` of its file."""


def visit_drawing(self: HTML5Translator, node: Drawing) -> None:
    """Write the files, and links to them that show them: one for light pages, one for dark ones."""
    both = {"": node["light"], "-dark": node["dark"]} if node["dark"] else {"": node["light"]}
    kinds = ("only-light", "only-dark") if node["dark"] else ("only-one",)
    self.body.append('<div class="drawing">')
    for kind, (ending, svg) in zip(kinds, both.items(), strict=True):
        uri = _written(self, f"{node['name']}{ending}.svg", svg)
        self.body.append(
            f'<a class="{kind}" href="{uri}"><img src="{uri}" alt="{html.escape(node["alt"])}"{_size(svg)}></a>'
        )
    self.body.append("</div>\n")
    raise nodes.SkipNode


def visit_embedded(self: HTML5Translator, node: Embedded) -> None:
    """Write the file, a frame that shows it, and a link that opens it by itself."""
    uri, title = _written(self, f"{node['name']}.html", node["text"]), html.escape(node["title"])
    self.body.append(
        f'<div class="embedded"><iframe src="{uri}" title="{title}" loading="lazy"></iframe>'
        f'<p><a href="{uri}">Open this page by itself</a></p></div>\n'
    )
    raise nodes.SkipNode


def _written(self: HTML5Translator, name: str, text: str) -> str:
    """Where a file of the site is, as seen from the page."""
    folder = Path(self.builder.outdir) / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return relative_uri(self.builder.get_target_uri(self.builder.current_docname), f"{FOLDER}/{name}")


def _size(svg: str) -> str:
    """Its own size in pixels, as attributes: a page keeps the place free before it has loaded."""
    root = re.search(r"<svg[^>]*>", svg)
    found = [re.search(rf'\b{side}="([\d.]+)(pt|px|)"', root[0]) for side in ("width", "height")] if root else []
    if not all(found) or not found:
        return ""
    sides = [float(side[1]) * (4 / 3 if side[2] == "pt" else 1) for side in found]
    return f' width="{sides[0]:.0f}" height="{sides[1]:.0f}"'
