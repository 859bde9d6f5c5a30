"""A matplotlib figure as inline SVG: text stays text, colours follow the page, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

INK = "#010101"
GRID = "#020202"
PAPER = "#030303"
#: Placeholder colours for drawing; matplotlib knows nothing about style sheets.
SERIES = tuple(f"#0401{number:02x}" for number in range(8))

_COLOURS = {INK: "currentColor", GRID: "var(--line)", PAPER: "var(--paper)"} | {
    colour: f"var(--series-{number})" for number, colour in enumerate(SERIES)
}
_SVG = "{http://www.w3.org/2000/svg}"
_XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
_DROPPED = frozenset({"metadata", "style", "title"})
_REFERENCE = re.compile(r"url\(#([^)]+)\)")

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "scribe-suite",
    "font.size": 10.5,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.frameon": False,
    "path.simplify": True,
}


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in our style, whatever the user's matplotlibrc says; other code is not affected."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def inline_svg(figure: Figure, name: str, title: str, description: str, kind: str = "") -> Markup:
    """The figure as an ``<svg>`` element.

    Args:
        figure: Drawn inside `drawing`.
        name: Unique on its page; the prefix of ids in the element.
        title: The title for screen readers.
        description: What the figure shows, in a sentence or two.
        kind: A further class of the element.
    """
    stream = io.StringIO()
    with drawing():
        figure.savefig(stream, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(stream.getvalue())
    for parent in list(root.iter()):
        for child in [child for child in parent if _local(child.tag) in _DROPPED]:
            parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        _adapt(element, name)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.attrib.update(
        {"role": "img", "class": f"plot {kind}".rstrip(), "aria-labelledby": f"{name}-title {name}-desc"}
    )
    root.insert(0, _labelled("desc", f"{name}-desc", description))
    root.insert(0, _labelled("title", f"{name}-title", title))
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _local(tag: str) -> str:
    return tag.removeprefix(_SVG)


def _adapt(element: ElementTree.Element, name: str) -> None:
    reference = element.attrib.pop(_XLINK_HREF, None)
    if reference is not None:
        element.set("href", reference)
    for attribute, value in element.attrib.items():
        if attribute == "id":
            element.set(attribute, f"{name}-{value}")
        elif attribute == "href":
            element.set(attribute, value.replace("#", f"#{name}-", 1))
        else:
            value = _REFERENCE.sub(rf"url(#{name}-\1)", value)
            for stand_in, colour in _COLOURS.items():
                value = value.replace(stand_in, colour)
            element.set(attribute, value)


def _labelled(tag: str, identity: str, text: str) -> ElementTree.Element:
    element = ElementTree.Element(tag, {"id": identity})
    element.text = text
    return element
