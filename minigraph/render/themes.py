"""The themes: light for screens, dark for dark screens, print for paper."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..errors import GraphError
from .style import STYLE, Look, Style


def style(theme: str | Style = "light", **changes: Any) -> Style:
    """A theme, "light", "dark" or "print", with changes: mg.style("print", name_size=12, looks={Dense: Look(…)}).

    All are safe for color-blind readers: size goes by lightness and width, families by shape, too. Raises GraphError
    for a theme that there isn't and for what is no color, TypeError for what no `Style` has.
    """
    if isinstance(theme, Style):
        return replace(theme, **changes)
    if not isinstance(theme, str) or theme not in THEMES:
        raise GraphError(f"there are the themes {', '.join(map(repr, THEMES))}, not {theme!r}: or give a Style")
    if "families" in changes:
        changes["families"] = {**THEMES[theme].families, **changes["families"]}
    return replace(THEMES[theme], **changes)


def mixed(color: str, other: str, part: float) -> str:
    """A color with a part, from 0 to 1, of another in it."""
    channels = ((int(color[k : k + 2], 16), int(other[k : k + 2], 16)) for k in (1, 3, 5))
    return "#" + "".join(f"{round(own + part * (new - own)):02x}" for own, new in channels)


_NIGHT = "#0f172a"
_BRIGHT = {
    "input": "#94a3b8",
    "neurons": "#60a5fa",
    "merge": "#c39bf0",
    "shape": "#4fd1c1",
    "noise": "#e0b050",
    "activation": "#a3d160",
    "recurrent": "#8ea8ff",
    "attention": "#f08cc8",
    "embedding": "#7cc7d6",
    "pool": "#9db4e8",
    "norm": "#d8b878",
    "cost": "#f58a84",
    "custom": "#e2e8f0",
    "block": "#a8b5c8",
}

DARK = Style(
    ink="#f1f5f9",
    soft="#b6c2d2",
    quiet="#8795aa",
    faint="#3b4a61",
    wash="#172136",
    paper=_NIGHT,
    alarm="#ff9cb6",
    tie="#6fb1ff",
    positive="#56b4e9",
    negative="#f09b4a",
    families={
        name: replace(look, fill=mixed(_NIGHT, _BRIGHT[name], 0.16), outline=_BRIGHT[name])
        for name, look in STYLE.families.items()
    },
    falling=("#fde725", "#8bd646", "#35b779", "#2ba0a0", "#4f8ad0", "#7a58c8"),
    rising=("#ff9d4d", "#ff6f6f"),
    learning=("#0f172a", "#122036", "#152a44", "#193452", "#1c3e61", "#1e4468", "#20496f"),
)

PRINT = Style(
    ink="#000000",
    soft="#3d3d3d",
    quiet="#767676",
    faint="#c4c4c4",
    wash="#f7f7f7",
    alarm="#000000",
    tie="#5a5a5a",
    positive="#000000",
    negative="#7a7a7a",
    families={
        name: Look({"input": "#f0f0f0", "cost": "#e4e4e4"}.get(name, "#ffffff"), "#333333", shape=look.shape)
        for name, look in STYLE.families.items()
    },
    falling=("#000000", "#1f1f1f", "#3a3a3a", "#555555", "#707070", "#8c8c8c"),
    rising=("#000000", "#000000"),
    learning=("#ffffff", "#f6f6f6", "#ededed", "#e4e4e4", "#dbdbdb", "#d2d2d2", "#c9c9c9"),
)

THEMES = {"light": STYLE, "dark": DARK, "print": PRINT}
