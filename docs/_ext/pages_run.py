"""Runs the Python blocks of one page, as standard input asks, and writes down what they show."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import linecache
import re
import sys
import traceback
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pages_forms import forms
from pages_process import Failed


def main() -> None:
    """Run them in one module, `__main__`, whose source is the page itself: lines in messages are the page's."""
    asked = json.load(sys.stdin)
    page = Path(asked["page"])
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    text = page.read_text("utf-8")
    linecache.cache[page.name] = (len(text), None, text.splitlines(keepends=True), page.name)
    try:
        answer: dict[str, Any] = {"shown": [list(shown(one, page.name, vars(module))) for one in asked["blocks"]]}
    except Failed as failure:
        answer = {"failed": str(failure), "line": failure.line}
    Path(asked["out"]).write_text(json.dumps(answer), "utf-8")


def shown(block: dict[str, Any], page: str, names: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Run a block: what it prints, what its last line is, the error that it must raise, and pages that it wrote."""
    printed, error = io.StringIO(), None
    showing: list[tuple[str, Any]] = []
    try:
        with contextlib.redirect_stdout(printed):
            showing = list(forms(*executed(block, page, names)))
    except (Exception, SystemExit) as raised:
        if not is_wanted(raised, block["raises"]):
            raise Failed(complaint(raised, block["raises"]), where(raised, page, block["line"])) from None
        error = f"{type(raised).__name__}: {raised}"
    if error is None and block["raises"] is not None:
        raise Failed("this block is to raise, by <!-- raises -->, and doesn't", block["line"])
    if printed.getvalue().strip():
        yield "printed", printed.getvalue().rstrip()
    yield from showing
    if error is not None:
        yield "raised", error
    for path in map(Path, block["embeds"]):
        if not path.is_file():
            raise Failed(f"no block up to this one has written '{path}', which <!-- embed --> names", block["line"])
        text = path.read_text("utf-8")
        title = re.search(r"<title>(.*?)</title>", text, re.DOTALL)
        yield "page", {"text": text, "title": title[1] if title else path.name}


def executed(block: dict[str, Any], page: str, names: dict[str, Any]) -> tuple[Any, Callable[[], Any] | None]:
    """The value of the last line, if that is an expression, and what makes it again, unless it names a style."""
    tree = ast.parse("\n" * (block["line"] - 1) + block["code"], page)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, page, "exec", dont_inherit=True), names)  # annotations are those of the page, no texts
    if last is None:
        return None, None
    expression = compile(ast.Expression(last.value), page, "eval", dont_inherit=True)
    styled = any(isinstance(part, ast.keyword) and part.arg == "style" for part in ast.walk(last))
    return eval(expression, names), None if styled else lambda: eval(expression, names)


def is_wanted(error: BaseException, wanted: str | None) -> bool:
    """Whether an error is of the kind that a block must raise."""
    if wanted != "minigraph":
        return type(error).__name__ == wanted
    from minigraph.errors import MinigraphError

    return isinstance(error, MinigraphError)


def complaint(error: BaseException, wanted: str | None) -> str:
    """What is said of an error that isn't wanted."""
    name = type(error).__name__
    hint = (
        "" if wanted is None else f"\n<!-- raises --> takes errors of minigraph; for this one, <!-- raises {name} -->"
    )
    return f"{name}: {error}{hint}\n{''.join(traceback.format_exception(error))}"


def where(error: BaseException, page: str, line: int) -> int:
    """The page's line that raised, or that of the block."""
    if isinstance(error, SyntaxError) and error.filename == page and error.lineno:
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == page]
    return (lines and lines[-1]) or line


if __name__ == "__main__":
    main()
