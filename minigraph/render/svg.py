"""Graphviz's SVG, made right for every viewer."""

from __future__ import annotations

import html
import re
import zlib
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from .engine import UNWRITABLE


def accessible(svg: str, title: str, description: str) -> str:
    """Return Graphviz's SVG with title, description, tooltips, and sub- and superscripts that every viewer shows.

    Groups keep their ids. The root gets one of its own, made from the content, because several pictures on a page share
    the ids of nodes; and it shrinks to the width there is.
    """
    root = ElementTree.fromstring(svg)
    id = f"picture-{zlib.crc32(svg.encode()):08x}"
    for element in list(root.iter()):
        element.tag = element.tag.partition("}")[2]
        if element.get("stroke") == "transparent":  # not a color in SVG 1.1
            element.set("stroke", "none")
        element.attrib.pop(_SPACE, None)
    for group in list(root.iter("g")):
        _name(group)
        _set_scripts(group)
    size = dict(root.attrib)
    root.attrib.clear()
    # Labels hold spaces side by side. The namespace of `xml:` needs no declaration.
    look = {"style": "max-width: 100%; height: auto", "xml:space": "preserve"}
    spoken = {"role": "img", "aria-labelledby": f"{id}-title {id}-description"}
    root.attrib.update({"xmlns": "http://www.w3.org/2000/svg", "id": id, **size, **look, **spoken})
    root.insert(0, _text_element("desc", description, id=f"{id}-description"))
    root.insert(0, _text_element("title", title, id=f"{id}-title"))
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def page(svg: str, title: str) -> str:
    """Return a page that shows an SVG at its own size, or fitted to the window, and may load nothing from anywhere."""
    paper = re.search('<polygon fill="([^"]+)"', svg)
    return _PAGE.format(
        title=html.escape(UNWRITABLE.sub("�", title)),
        paper=html.escape(paper[1]) if paper else "white",
        svg=svg.partition("?>\n")[2],
    )


_SPACE = "{http://www.w3.org/XML/1998/namespace}space"
_TOOLTIP = "{http://www.w3.org/1999/xlink}title"

_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ margin: 1rem; background: {paper}; }}
label {{ position: fixed; right: 1rem; bottom: 1rem; padding: 0.2rem 0.6rem; font: 0.8rem sans-serif;
  color: #333; background: #eee; border-radius: 0.3rem; }}
#fit:not(:checked) ~ svg {{ max-width: none !important; }}
#fit:checked ~ svg {{ max-height: calc(100vh - 2rem); }}
#fit {{ position: fixed; right: 1rem; bottom: 1rem; opacity: 0; }}
@media print {{ label {{ display: none; }} svg {{ max-width: 100% !important; max-height: 100vh; }} }}
</style>
<input type="checkbox" id="fit">
<label for="fit">Fit to the window</label>
{svg}</html>
"""

# How far a script is raised, and how large it is, as shares of the font size. Graphviz leaves room for 1/1.2, but only
# writes `baseline-shift`, which Firefox ignores and with which no browser sets the letters smaller.
_RAISED = {"super": 0.36, "sub": -0.16, "": 0.0}
_SCRIPT_SIZE = 0.8


def _name(group: Element) -> None:
    """Give a group its tooltip as title, in place of its name in the DOT text and of a link to nowhere."""
    for name in group.findall("title"):
        group.remove(name)
    tooltip = None
    for inner in list(group):
        link = inner.find("a") if inner.tag == "g" else None
        if link is not None:
            place = list(group).index(inner)
            group[place : place + 1] = list(link)
            tooltip = tooltip or link.get(_TOOLTIP)
    if tooltip:
        group.insert(0, _text_element("title", tooltip))


def _set_scripts(group: Element) -> None:
    """Put sub- and superscripts behind the text that they belong to, in whatever font; one under the other if both."""
    base: Element | None = None
    scripts: list[tuple[str, float]] = []  # kind and place of those behind the plain text
    for text in list(group):
        kind, x = text.attrib.pop("baseline-shift", ""), float(text.get("x", "0"))
        in_line = base is not None and base.get("y") == text.get("y")
        if base is None or not in_line or not (kind or (scripts and _goes_on(base, text))):
            base, scripts = (None, []) if kind else (text, [])
            if kind:  # with nothing to stand on
                _put(text, "y", float(text.get("y", "0")) - _RAISED[kind] * _size(text))
                _put(text, "font-size", _SCRIPT_SIZE * _size(text))
            continue
        group.remove(text)
        part = SubElement(base, "tspan")
        part.text = text.text
        height = _RAISED[scripts[-1][0]] if scripts else 0.0
        _put(part, "dy", (height - _RAISED[kind]) * _size(text))
        if kind:
            if scripts and scripts[-1][0] != kind:
                _put(part, "dx", 1.2 * _SCRIPT_SIZE * (scripts[-1][1] - x))
            _put(part, "font-size", _SCRIPT_SIZE * _size(text))
            scripts.append((kind, x))
        else:
            if len(scripts) == 2 and (more := 2 * scripts[1][1] - scripts[0][1] - x) > 0:  # the upper one is the longer
                _put(part, "dx", 1.2 * _SCRIPT_SIZE * more)
            scripts = []


def _goes_on(base: Element, text: Element) -> bool:
    """Whether text behind a script belongs to the same line, and looks like it: that of another column has no space."""
    alike = all(base.get(name) == text.get(name) for name in {*base.keys(), *text.keys()} - {"x"})
    return alike and re.match(r"[\s)\],.;:=+·/−-]", text.text or "") is not None


def _size(text: Element) -> float:
    return float(text.get("font-size", "14"))


def _put(element: Element, name: str, value: float) -> None:
    element.set(name, f"{value:.2f}")


def _text_element(tag: str, text: str, **attributes: str) -> Element:
    element = Element(tag, attributes)
    element.text, element.tail = UNWRITABLE.sub("�", text), "\n"
    return element
