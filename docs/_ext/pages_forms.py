"""The form in which a page shows the value of a block's last line."""

from __future__ import annotations

import contextlib
import io
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree


def forms(value: Any, again: Callable[[], Any] | None) -> Iterator[tuple[str, Any]]:
    """What a notebook would show, as a pair of kind and content; `again` makes the value once more, for dark pages.

    A path shows the SVG that it leads to; other files that a block wrote are nothing to see.
    """
    if (picture := picture_of(value)) is not None:
        svg, night = picture.svg(), None
        if again is not None:
            with darkness():
                other = picture_of(again())
                night = None if other is None or other.dot == picture.dot else other.svg()
        yield "drawing", drawing(svg, night)
    elif isinstance(value, Path):
        if value.suffix == ".svg":
            yield "drawing", drawing(value.read_text("utf-8"))
    elif hasattr(value, "savefig"):
        yield "drawing", plotted(value)
    elif hasattr(value, "_repr_markdown_"):
        yield "markdown", value._repr_markdown_()
    elif value is not None:
        yield "value", repr(value)


def picture_of(value: Any) -> Any:
    """The picture that it is, or that a notebook shows of a graph or a run."""
    from minigraph.render.picture import Picture

    if isinstance(value, Picture):
        return value
    return value.picture() if hasattr(value, "_repr_mimebundle_") else None


@contextlib.contextmanager
def darkness() -> Iterator[None]:
    """Meanwhile what is drawn in the theme "light", as everything is that names none, is drawn in the theme "dark"."""
    from minigraph.render.themes import THEMES

    light, THEMES["light"] = THEMES["light"], THEMES["dark"]
    try:
        yield
    finally:
        THEMES["light"] = light


def drawing(svg: str, dark: str | None = None) -> dict[str, Any]:
    """A drawing, with its own title and description for those who don't see it."""
    root = ElementTree.fromstring(svg)
    said = [root.findtext(f"{{http://www.w3.org/2000/svg}}{tag}", "").strip() for tag in ("title", "desc")]
    return {"light": svg, "dark": dark, "alt": textwrap.shorten(": ".join(filter(None, said)), 400, placeholder=" …")}


def plotted(figure: Any) -> dict[str, Any]:
    """A figure of matplotlib as a drawing, described by what is written at its axes."""
    import matplotlib

    text = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "minigraph"}):  # ids that stay
        figure.savefig(text, format="svg", metadata={"Date": None}, bbox_inches="tight")
    said = [part for axes in figure.axes for part in (axes.get_title(), axes.get_ylabel(), axes.get_xlabel()) if part]
    return {**drawing(text.getvalue()), "alt": "Plot: " + ", ".join(said)}
