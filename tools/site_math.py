r"""Formulas of the documentation as MathML, which browsers draw without a script: an extension of Python-Markdown.

GitHub renders ``$...$`` and ``$$...$$`` itself. The site's generator would load a script from the network for them.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, fromstring

from latex2mathml.converter import convert
from markdown import Markdown
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor
from markdown.util import AtomicString

#: Before backslashes and emphasis, after code.
_PRIORITY = 185
_DISPLAYED = r"\$\$(.+?)\$\$"
#: No space inside of the dollars: "$5 and $6" is no formula.
_INLINE = r"(?<![\\$\w])\$(?! )([^$]+?)(?<! )\$(?![\w$])"


class _Formula(InlineProcessor):  # type: ignore[misc]  # without the generator there are no types
    """One kind of formula, inline or on lines of its own."""

    def __init__(self, pattern: str, markdown: Markdown, display: str) -> None:
        super().__init__(pattern, markdown)
        self._display = display

    def handleMatch(  # noqa: N802 - the name is Markdown's
        self, match: re.Match[str], data: str
    ) -> tuple[Element, int, int]:
        """Give the formula as an element, and where its text begins and ends."""
        formula = fromstring(convert(" ".join(match[1].split()), display=self._display))
        for part in formula.iter():
            part.tag = part.tag.rpartition("}")[2]
            part.text = AtomicString(part.text) if part.text else None
        return formula, match.start(), match.end()


class Formulas(Extension):  # type: ignore[misc]
    """Formulas between dollars."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802
        """Add both kinds."""
        md.inlinePatterns.register(_Formula(_DISPLAYED, md, "block"), "displayed formula", _PRIORITY + 1)
        md.inlinePatterns.register(_Formula(_INLINE, md, "inline"), "formula", _PRIORITY)


def makeExtension(**settings: object) -> Formulas:  # noqa: N802
    """The entry point for Markdown."""
    return Formulas(**settings)
