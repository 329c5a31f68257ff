"""Has the Python blocks of one page run, in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PATIENCE = 300  # seconds a page


class Failed(Exception):
    """A block that raised, or didn't where it must; `line` is the page's."""

    def __init__(self, message: str, line: int):
        super().__init__(message)
        self.line = line


def run(page: Path, blocks: list[dict[str, Any]]) -> list[list[tuple[str, Any]]]:
    """What each block shows, as pairs of kind and content; raises Failed for the first that doesn't do as it must.

    A block is its `code`, the page's `line` where that begins, what it `raises` (None, "minigraph" for an error of
    minigraph, or the name of another), and the names of pages that it `embeds`.
    """
    with tempfile.TemporaryDirectory() as folder:
        work, out = Path(folder, "work"), Path(folder, "shown.json")
        work.mkdir()
        try:
            done = subprocess.run(
                [sys.executable, "-W", "error", str(Path(__file__).with_name("pages_run.py"))],
                input=json.dumps({"page": str(page.absolute()), "blocks": blocks, "out": str(out)}),
                cwd=work,
                env={**os.environ, "MPLBACKEND": "Agg", "PYTHONHASHSEED": "0"},
                capture_output=True,
                encoding="utf-8",
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"the page's blocks took longer than {PATIENCE} s", blocks[0]["line"]) from None
        if not out.exists():
            raise Failed(f"the page's process ended with {done.returncode}:\n{done.stderr}", blocks[0]["line"])
        answer = json.loads(out.read_text("utf-8"))
    if "failed" in answer:
        raise Failed(answer["failed"], answer["line"])
    return answer["shown"]
