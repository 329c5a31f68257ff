"""A drawing that is ready to leave: DOT text that becomes a file, an SVG, or what a notebook shows."""

from __future__ import annotations

import os
import uuid
import warnings
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..caller import user_frame
from ..errors import GraphWarning, LayoutTimeout, RenderError
from ..summary import one_line
from .engine import PATIENCE, encode, render
from .svg import accessible, page
from .tikz import document, tikz

EXTENSIONS = (".svg", ".png", ".pdf", ".html", ".tikz", ".tex", ".dot", ".gv")
ADVICE = "depth=1 or fold=True draws fewer boxes"
LARGE, LONG = 3000, 10_000
"""Sizes from which on a layout is a quick one, and may take more than a few seconds."""


@dataclass(frozen=True)
class Picture:
    """A drawing of a graph or of a run.

    `g.picture()` and `run.picture()` return one; a notebook shows it as it is, whole. Nothing is laid out before an SVG
    or a file is asked for.
    """

    dot: str = field(repr=False)
    """The drawing as text for Graphviz."""
    title: str
    """What is drawn, in a few words: the heading of a page, and the name that a screen reader reads out."""
    description: str
    """A sentence or two on what is to be seen, for those who don't see it."""
    simpler: Callable[[], Picture | None] | None = field(default=None, repr=False)
    """Makes the folded drawing that is laid out if this one takes too long; None if there is nothing to fold."""
    advise: Callable[[], str] = field(default=lambda: ADVICE, repr=False)
    """Says what draws less, as the end of a sentence: before a long layout, and in the error if it takes too long."""
    size: int = 0
    """How much there is to lay out: boxes, and lines, each counted once for every rank it leads to or past."""

    def svg(self, timeout: float = 30.0) -> str:
        """Return the drawing as SVG, with a title, a description, tooltips, and an id for each node and edge.

        Ids are those of the DOT text: n0, n1, … for nodes and e0-1-0, … for edges (source, target, slot). The root has
        an id of its own, so that a script finds a node of one of several pictures on a page: `#picture-… #n0`.

        Raises RenderError when there is no Graphviz, or when it fails; LayoutTimeout when it takes more than `timeout`
        seconds and so does the folded drawing, if there is one.
        """
        drawn, data = self._drawn("svg", timeout)
        return accessible(data.decode(), drawn.title, drawn.description)

    def save(self, path: str | os.PathLike[str], *, timeout: float = 30.0, dpi: float = 192.0) -> Path:
        """Write the drawing to `path`, in the format of its extension, and return the path.

        `.svg`, `.png` (of so many dpi) and `.pdf` are pictures, `.html` is a page that holds the SVG and needs no
        network. `.tikz` is a tikzpicture for a paper, which asks for nothing but `\\usepackage{tikz}`, and `.tex` a
        document of its own with it, as large as the picture. `.dot` and `.gv` are the text for Graphviz and need none.
        The file is whole afterwards or as it was, and no other is written; but if no picture can be made, the text goes
        into a `.gv` beside it.

        Raises RenderError for another extension, a missing folder, a file that can't be written, a layout too large for
        LaTeX, and what `svg` raises.
        """
        path = checked(path, "drawing", EXTENSIONS)
        extension = path.suffix.lower()
        text = encode(self.dot)
        try:
            data = text if extension in (".dot", ".gv") else self._made(extension, timeout, dpi)
        except RenderError as error:
            beside = path.with_suffix(".gv")
            store(beside, text)
            joint = "\n" if "\n" in str(error) else "; "
            raise type(error)(f"{error}{joint}the drawing's text is in '{beside}'") from None
        store(path, data)
        return path

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None
    ) -> dict[str, str]:
        """What a notebook shows: the SVG, as HTML held to the width of the page; or the reason why there is none."""
        bundle = {"text/plain": f"{one_line(self.title)}: {self.description}"}
        try:
            bundle["image/svg+xml"] = svg = self.svg()
            bundle["text/html"] = svg.partition("?>\n")[2]
        except RenderError as error:
            bundle["text/plain"] += f"\n{error}"
        return {
            kind: shown
            for kind, shown in bundle.items()
            if (not include or kind in include) and not (exclude and kind in exclude)
        }

    def _made(self, extension: str, timeout: float, dpi: float) -> bytes:
        if extension == ".svg":
            return self.svg(timeout).encode()
        if extension == ".html":
            return page(self.svg(timeout), self.title).encode()
        if extension in (".tikz", ".tex"):
            drawn, layout = self._drawn("json", timeout)
            return (tikz if extension == ".tikz" else document)(layout, drawn.title).encode()
        return self._drawn(extension[1:], timeout, dpi)[1]

    def _drawn(self, format: str, timeout: float, dpi: float | None = None) -> tuple[Picture, bytes]:
        """What was drawn, this or the simpler picture, and its data."""
        if self.size > LONG:
            _warn(f"{self.title}: {self.size:,} boxes and pieces of lines may take long to lay out: {self.advise()}")
        try:
            return self, self._render(format, timeout, dpi)
        except LayoutTimeout as error:
            simpler = self.simpler() if self.simpler else None
            if simpler is None:
                raise LayoutTimeout(f"{error}: {self.advise()}, or allow a longer timeout") from None
            _warn(f"{self.title}: {error}, so this is the folded drawing")
        try:
            return simpler, simpler._render(format, timeout, dpi)
        except LayoutTimeout as error:
            raise LayoutTimeout(f"{error}, even folded: {simpler.advise()}, or allow a longer timeout") from None

    def _render(self, format: str, timeout: float, dpi: float | None) -> bytes:
        def waiting() -> None:
            if self.size <= LONG:  # else it was said beforehand
                _warn(f"{self.title}: the layout takes longer than {PATIENCE:g} s: {self.advise()}")

        return render(self.dot, format, timeout=timeout, quick=self.size > LARGE, dpi=dpi, waiting=waiting)


def _warn(message: str) -> None:
    warnings.warn(message, GraphWarning, stacklevel=user_frame()[1])


def checked(path: str | os.PathLike[str], what: str, extensions: Sequence[str]) -> Path:
    """A path that a file may be written to; raises RenderError for another extension, or a missing folder."""
    path = Path(path)
    if path.suffix.lower() not in extensions:
        raise RenderError(f"the name of a {what} ends in one of {', '.join(extensions)}: '{path}' doesn't")
    if not path.parent.is_dir():
        raise RenderError(f"there is no folder '{path.parent}' for '{path.name}': make it first")
    return path


def store(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; a link stays a link. Raises RenderError where it can't be written."""
    target = Path(os.path.realpath(path))
    unfinished = target.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        unfinished.write_bytes(data)
        unfinished.replace(target)
    except OSError as error:
        raise RenderError(f"can't write '{path}': {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)
