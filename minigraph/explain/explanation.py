"""Explanation: a piece of writing with formulas, to read, show in a notebook or save."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ..errors import RenderError
from . import latex, markdown, plain
from .formula import Block


class Explanation:
    """What `explain` writes: one content as text, Markdown and LaTeX.

    Printed, it is the text; notebooks show the Markdown. The numbers are those of the moment when it was made.
    """

    def __init__(self, blocks: Iterable[Block]):
        self.blocks = tuple(blocks)

    @property
    def text(self) -> str:
        """Unicode for a terminal, in lines of 100 characters where nothing forbids it."""
        return plain.write(self.blocks)

    @property
    def markdown(self) -> str:
        """Markdown with formulas between dollar signs, for notebooks and GitHub."""
        return markdown.write(self.blocks)

    @property
    def latex(self) -> str:
        """A document for pdflatex, with amsmath as its only package."""
        return latex.write(self.blocks)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it to a file, in the format of the extension, and return the path.

        Raises RenderError for an extension other than .txt, .md and .tex, and for a file that can't be written.
        """
        path = Path(path)
        formats = {".txt": plain, ".md": markdown, ".tex": latex}
        writer = formats.get(path.suffix.lower())
        if writer is None:
            raise RenderError(f"the name of an explanation ends in one of {', '.join(formats)}: '{path}' doesn't")
        try:
            path.write_text(writer.write(self.blocks), encoding="utf-8")
        except OSError as error:
            raise RenderError(f"'{path}' can't be written: {error.strerror}") from error
        return path

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text  # so that a prompt shows it

    def _repr_markdown_(self) -> str:
        return self.markdown
