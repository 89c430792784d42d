"""An SVG file as a part of a page: nothing in it runs, loads anything, or clashes with another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from xml.etree import ElementTree as ET

from deltamem_base.faults import InvalidData

__all__ = ["INK", "inline_svg"]

INK = "#0f0e0d"
"""Drawn in this colour, a line or letter takes that of the page's text, light or dark."""
ELEMENTS = set(
    """svg g path rect circle ellipse line polyline polygon text tspan defs use symbol clipPath
    linearGradient radialGradient stop pattern image title desc""".split()
)
ATTRIBUTES = set(
    """id class d x y x1 x2 y1 y2 cx cy r rx ry width height points transform viewBox style
    fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-dasharray stroke-linecap
    stroke-linejoin opacity clip-path clipPathUnits offset stop-color stop-opacity gradientUnits
    gradientTransform patternUnits preserveAspectRatio text-anchor dominant-baseline font-size
    font-family font-weight font-style dx dy href""".split()
)
ELSEWHERE = re.compile(r"url\(\s*['\"]?(?!#)|expression|import", re.IGNORECASE)
REFERENCE = re.compile(r"url\(#([^)]+)\)")
FONTS = ("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")


def inline_svg(text: str, *, prefix: str, label: str) -> str:
    """Markup of an ``svg`` element without script, style sheet, link or namespace.

    Args:
        text: of an SVG file.
        prefix: goes before every id.
        label: what it shows, for who cannot see it.

    Raises:
        InvalidData: not an SVG.
    """
    try:
        root = ET.fromstring(text)
    except ET.ParseError as fault:
        raise InvalidData(f"the figure '{label}' is not an SVG: {fault}") from fault
    if _name(root.tag) != "svg":
        raise InvalidData(f"the figure '{label}' is not an SVG but {_name(root.tag)}")
    for size in ("width", "height"):
        if "viewBox" in root.attrib:
            root.attrib.pop(size, None)
    body = "".join(_inside(root, prefix))
    attributes = "".join(_attributes(root, prefix))
    return f'<svg role="img" aria-label="{escape(label)}"{attributes}>{body}</svg>'


def _name(tag: object) -> str:
    """Name of a tag without its namespace; comments and instructions have none."""
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _inside(node: ET.Element, prefix: str) -> Iterator[str]:
    if node.text and node.text.strip():
        yield escape(node.text)
    for child in node:
        name = _name(child.tag)
        if name in ELEMENTS:
            yield f"<{name}{''.join(_attributes(child, prefix))}>"
            yield from _inside(child, prefix)
            yield f"</{name}>"
        if child.tail and child.tail.strip():
            yield escape(child.tail)


def _attributes(node: ET.Element, prefix: str) -> Iterator[str]:
    for key, value in node.attrib.items():
        name = _name(key)
        if name not in ATTRIBUTES or ELSEWHERE.search(value):
            continue
        if name == "id":
            value = prefix + value
        elif name == "href":
            if value.startswith("#"):
                value = f"#{prefix}{value[1:]}"
            elif not value.startswith("data:image/png;base64,"):
                continue
        value = REFERENCE.sub(rf"url(#{prefix}\1)", value)
        value = value.replace(*FONTS).replace(INK, "currentColor")
        yield f' {name}="{escape(value)}"'
