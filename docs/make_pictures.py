"""Draw the pictures that pages show where nothing is executed: the README's two, one for each entry of the gallery."""

from __future__ import annotations

import ast
import os
import re
import sys
from pathlib import Path
from typing import Any

docs = Path(__file__).resolve().parent
PICTURE = re.compile(r"```python\n(?P<code>.*?)```|!\[[^]]*\]\(images/(?P<name>\w+\.svg)\)", re.DOTALL)


def readme() -> None:
    """Run the README's example, which draws two pictures."""
    [example] = re.findall(r"```python\n(.*?)```", (docs.parent / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    exec(example, {})


def gallery() -> None:
    """Run the blocks of the gallery; an image is what the last block before it shows."""
    names: dict[str, Any] = {}
    shown = None
    for found in PICTURE.finditer((docs / "gallery.md").read_text(encoding="utf-8")):
        if found["name"]:
            shown.save(found["name"])
        else:
            shown = value(found["code"], names)


def value(code: str, names: dict[str, Any]) -> Any:
    """Run a block; its last line's value, if that is an expression."""
    body = ast.parse(code).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "gallery.md", "exec"), names)
    return last and eval(compile(ast.Expression(last.value), "gallery.md", "eval"), names)


if __name__ == "__main__":
    os.chdir(sys.argv[1] if len(sys.argv) > 1 else docs / "images")
    readme()
    gallery()
