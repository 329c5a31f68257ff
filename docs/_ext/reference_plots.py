"""A small plot of an activation σ and its slope σ', as SVG for light and for dark pages."""

from __future__ import annotations

import numpy as np

from minigraph.activations import Activation

WIDTH, HEIGHT, REACH = 300, 190, 4.0
COLORS = {"light": ("#1d4ed8", "#c2410c", "#64748b"), "dark": ("#60a5fa", "#fdba74", "#94a3b8")}
"""Of σ, of σ', and of the axes."""


def plot(kind: Activation, theme: str) -> str:
    """Both curves from −4 to 4, told apart by color, dashes and a label at their end."""
    z = np.linspace(-REACH, REACH, 321)
    a = np.array(kind(z))
    slope = np.array(kind.backward(np.ones_like(z), z, a))
    top = min(max(float(np.max([a, slope])), 1.0), REACH)
    low = max(min(float(np.min([a, slope])), 0.0), -REACH)
    top, low = top + 0.12 * (top - low), low - 0.06 * (top - low)
    blue, orange, grey = COLORS[theme]

    def x(v: float) -> float:
        return 14 + (v + REACH) / (2 * REACH) * (WIDTH - 50)

    def y(v: float) -> float:
        return 6 + (top - v) / (top - low) * (HEIGHT - 12)

    def curve(values: np.ndarray, color: str, dashes: str) -> str:
        runs, run = [], []
        steps = np.abs(np.diff(values, prepend=values[:1]))
        for v, value, step in zip(z, values, steps, strict=True):
            if step > 0.2 or not low <= value <= top:  # a jump, or outside
                runs, run = [*runs, run], []
            if low <= value <= top:
                run.append(f"{x(v):.1f},{y(value):.1f}")
        lines = [f'<polyline points="{" ".join(points)}"/>' for points in [*runs, run] if len(points) > 1]
        return f'<g fill="none" stroke="{color}" stroke-width="2"{dashes}>{"".join(lines)}</g>'

    def label(text: str, values: np.ndarray, color: str, off: float) -> str:
        end = float(np.clip(values[-1], low, top))
        place = f'x="{WIDTH - 32}" y="{min(max(y(end) + off, 14), HEIGHT - 6):.1f}"'
        return f'<text {place} fill="{color}" font-size="14" font-style="italic">{text}</text>'

    near = abs(y(float(np.clip(a[-1], low, top))) - y(float(slope[-1]))) < 16
    above = a[-1] >= slope[-1]
    ticks = [(v, 0) for v in (-4, -2, 2, 4)] + [(0, v) for v in (-2, -1, 1, 2, 3, 4) if low <= v <= top]
    marks = "".join(
        f'<text x="{x(v) - (0 if u else 5):.1f}" y="{y(u) + (13 if v else 4):.1f}" '
        f'text-anchor="{"middle" if v else "end"}">{str(v or u).replace("-", "−")}</text>'
        for v, u in ticks
    )
    axes = f"M{x(-REACH):.1f},{y(0):.1f}H{x(REACH):.1f}M{x(0):.1f},{y(low):.1f}V{y(top):.1f}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="DejaVu Sans,Verdana,Helvetica,Arial,sans-serif" role="img"><title>{kind}</title>'
        f'<path d="{axes}" stroke="{grey}" fill="none"/><g font-size="9" fill="{grey}">{marks}</g>'
        + curve(slope, orange, ' stroke-dasharray="5 3"')
        + curve(a, blue, "")
        + label("σ", a, blue, (-4 if above else 14) if near else 4)
        + label("σ′", slope, orange, (14 if above else -4) if near else 4)
        + "</svg>\n"
    )
