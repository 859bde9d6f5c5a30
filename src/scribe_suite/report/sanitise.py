"""Cleans an agent's HTML so that it is harmless.

A page of the report may be opened by people who don't know the attempt, so the rules are an allow-list and stricter
than those of web mail: text, tables, lists and embedded images are kept; scripts, styles, links, forms, frames, classes
and ids are not, nor is anything that would load something.

`clean_html` does not remove dangerous parts from a text. It writes a new text from known elements and escaped
characters, so it need not read HTML exactly as a browser would: what it misunderstands becomes text. Its time is
proportional to the text. (That of a cleaner that parses like a browser is not: bleach needed more than 12 s for 100 kB
of ``<div>``, which would let one agent delay the whole report.) `require_inert` reads the finished HTML again, with
another parser, so that one mistake is not enough.
"""

from __future__ import annotations

import base64
import html
import re
from collections import Counter
from functools import cache
from html.parser import HTMLParser
from typing import Any

from scribe_suite.errors import SuiteError

#: Longest piece of HTML that is cleaned, in characters; nobody reads a longer table.
MAX_HTML = 300_000

#: Deepest nesting of elements; the content of deeper ones is kept without them.
MAX_DEPTH = 60

#: Elements that a foreign piece of HTML may have.
TAGS = frozenset({
    "abbr", "b", "blockquote", "br", "caption", "code", "dd", "del", "details", "div", "dl", "dt", "em", "h1", "h2",
    "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "mark", "ol", "p", "pre", "q", "s", "samp", "small",
    "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul", "var",
})  # fmt: skip

#: Allowed attributes by element; none is allowed on every element.
ATTRIBUTES = {
    "details": frozenset({"open"}),
    "img": frozenset({"alt", "height", "src", "width"}),
    "ol": frozenset({"start"}),
    "td": frozenset({"colspan", "rowspan"}),
    "th": frozenset({"colspan", "rowspan", "scope"}),
}

OWN_TAGS = frozenset({"section"})
#: Elements that our templates add around such pieces.
OWN_ATTRIBUTES = frozenset({"aria-label", "class", "role", "tabindex"})
#: The ids that our cells may have; nothing else has one.
_CELL_ID = re.compile(r"[a-z0-9-]*-cell-[0-9]{1,6}")

_VOID = frozenset({"br", "hr", "img"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_BLOCKS = _HEADINGS | {"blockquote", "details", "div", "dl", "hr", "ol", "p", "pre", "summary", "table", "ul"}
_ROW_GROUPS = frozenset({"tbody", "tfoot", "thead"})

#: Elements that are allowed only directly inside certain others; without such a parent they are left out.
_PARENTS = {
    "caption": frozenset({"table"}),
    "dd": frozenset({"dl"}),
    "dt": frozenset({"dl"}),
    "li": frozenset({"ol", "ul"}),
    "summary": frozenset({"details"}),
    "tbody": frozenset({"table"}),
    "td": frozenset({"tr"}),
    "tfoot": frozenset({"table"}),
    "th": frozenset({"tr"}),
    "thead": frozenset({"table"}),
    "tr": _ROW_GROUPS | {"table"},
}

#: Elements that contain no text of their own; a browser would move it out of the table.
_ONLY_PARTS = frozenset({"table", "tr"}) | _ROW_GROUPS

_TOKEN = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)([^<>]*)>")
_ATTRIBUTE = re.compile(r"""([a-zA-Z-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?""")
_UNREADABLE = re.compile(
    r"<(script|style|template|noscript|iframe|object|svg|math|title|textarea|select|xmp|noembed|noframes|audio|video)"
    r"\b[^<>]*>.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_ACTIVE = re.compile(r"<(?:script|style|iframe|object|embed|form|link|meta|base|svg)\b|\son[a-z]+\s*=", re.IGNORECASE)
_IMAGE_URL = re.compile(r"data:image/(?:png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=]+")
_NUMBER = re.compile(r"[1-9][0-9]{0,3}")
_NUMBERS = frozenset({"colspan", "height", "rowspan", "start", "width"})
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


class UnsafeError(SuiteError):
    """Finished HTML contains something that the report does not allow."""


def writable(text: str) -> str:
    """Text without characters that are not allowed in HTML."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def escaped(text: str) -> str:
    """Text for HTML, quotes included."""
    return html.escape(writable(text))


def clean_html(text: str, heading_shift: int = 2) -> str:
    """The harmless part of a piece of HTML, balanced, as HTML.

    Args:
        text: Any text.
        heading_shift: By how many levels headings are lowered, to fit below those of the page.

    Returns:
        HTML with only `TAGS` and `ATTRIBUTES`; empty when nothing may be shown.
    """
    if len(text) > MAX_HTML:
        return f"<p>[HTML of {len(text):,} characters is left out; the raw file has it.]</p>"
    # Only for readability: the writer drops the tags, but would show their content as text.
    text = _UNREADABLE.sub("", text)
    writer = _Writer(heading_shift)
    position = 0
    for token in _TOKEN.finditer(text):
        writer.text(text[position : token.start()])
        position = token.end()
        closing, name, attributes = token.groups()
        if closing:
            writer.end(name.lower())
        else:
            writer.start(name.lower(), attributes)
    writer.text(text[position:])
    return writer.finish()


def has_active_parts(text: str) -> bool:
    """Whether HTML seems to have parts that `clean_html` drops and a reader would miss; only for a note."""
    return _ACTIVE.search(text) is not None


def clean_markdown(text: str, heading_shift: int = 2) -> str:
    """Markdown as harmless HTML. Links become their text, images from elsewhere are left out."""
    if len(text) > MAX_HTML:
        return f"<pre>{escaped(text[:MAX_HTML])}\n[...]</pre>"
    return clean_html(_markdown().render(text), heading_shift)


def image(mime_type: str, data: str, alt: str) -> str:
    """An embedded image, or an empty text when `data` is not Base64.

    SVG is embedded as well: inside an image it runs no script and loads nothing.
    """
    url = f"data:{mime_type};base64,{''.join(data.split())}"
    return f'<img src="{url}" alt="{escaped(alt)}">' if _IMAGE_URL.fullmatch(url) else ""


def svg_image(text: str, alt: str) -> str:
    """SVG text as an embedded image."""
    return image("image/svg+xml", base64.b64encode(text.encode("utf-8", "replace")).decode(), alt)


def require_inert(text: str) -> str:
    """Return HTML unchanged if it contains only what the report allows.

    Raises:
        UnsafeError: Names the first thing that is not allowed.
    """
    inspector = _Inspector()
    inspector.feed(text)
    inspector.close()
    return text


class _Writer:
    """Writes HTML from known elements, each closed and only where it is allowed."""

    def __init__(self, heading_shift: int) -> None:
        self._heading_shift = heading_shift
        self._out: list[str] = []
        self._open: list[str] = []
        self._count: Counter[str] = Counter()

    def text(self, text: str) -> None:
        """Write characters; references such as ``&lt;`` keep their meaning."""
        if not text:
            return
        if self._open and self._open[-1] in _ONLY_PARTS:
            return
        self._out.append(escaped(html.unescape(text)))

    def start(self, name: str, attributes: str) -> None:
        """Write a start tag, if the element is allowed here."""
        if name not in TAGS:
            return
        if name in _HEADINGS:
            name = f"h{min(6, int(name[1]) + self._heading_shift)}"
        self._close_what_ends_before(name)
        parent = self._open[-1] if self._open else ""
        if name in _PARENTS:
            if parent not in _PARENTS[name]:
                return
        elif parent in _ONLY_PARTS or parent in ("ol", "ul", "dl"):
            return
        kept = _kept_attributes(name, attributes)
        if name == "img" and "src=" not in kept:
            return
        if name in _VOID:
            self._out.append(f"<{name}{kept}>")
        elif len(self._open) < MAX_DEPTH:
            self._out.append(f"<{name}{kept}>")
            self._open.append(name)
            self._count[name] += 1

    def end(self, name: str) -> None:
        """Write an end tag, with those of elements that are open inside it."""
        if name in _HEADINGS:
            name = next((heading for heading in _HEADINGS if self._count[heading]), name)
        if self._count[name]:
            while self._close() != name:
                pass

    def finish(self) -> str:
        """Close everything and return the text."""
        while self._open:
            self._close()
        return "".join(self._out)

    def _close(self) -> str:
        name = self._open.pop()
        self._count[name] -= 1
        self._out.append(f"</{name}>")
        return name

    def _close_what_ends_before(self, name: str) -> None:
        """Close elements whose end tag may be left out before this start tag."""
        if name in _PARENTS:
            self._close_up_to(_PARENTS[name], _LIMITS[name])
        elif name in _BLOCKS:
            for ended in ("p", *_HEADINGS):
                if self._count[ended]:
                    self._close_up_to_before(ended)

    def _close_up_to(self, parents: frozenset[str], limits: frozenset[str]) -> None:
        """Close what is inside the nearest of `parents`, if there is one before any of `limits`."""
        for place in range(len(self._open) - 1, -1, -1):
            if self._open[place] in parents:
                while len(self._open) > place + 1:
                    self._close()
                return
            if self._open[place] in limits:
                return

    def _close_up_to_before(self, name: str) -> None:
        """Close the nearest `name` and what is inside it, unless a table or list is in between."""
        for place in range(len(self._open) - 1, -1, -1):
            if self._open[place] == name:
                while len(self._open) > place:
                    self._close()
                return
            if self._open[place] in ("td", "th", "li", "dd", "caption", "blockquote", "div", "details"):
                return


#: Elements at which the search for such an element's parent ends.
_LIMITS = {
    "caption": frozenset({"td", "th"}),
    "dd": frozenset({"td", "th", "li"}),
    "dt": frozenset({"td", "th", "li"}),
    "li": frozenset({"td", "th", "dd"}),
    "summary": frozenset({"td", "th", "li", "dd"}),
    **dict.fromkeys(("tbody", "td", "tfoot", "th", "thead", "tr"), frozenset({"table"})),
}


def _kept_attributes(tag: str, text: str) -> str:
    if tag not in ATTRIBUTES:
        return ""
    kept: dict[str, str] = {}
    for name, *values in _ATTRIBUTE.findall(text):
        name, value = name.lower(), html.unescape("".join(values))
        if _attribute_is_kept(tag, name, value):
            kept.setdefault(name, value)
    return "".join(f' {name}="{escaped(value)}"' for name, value in kept.items())


def _attribute_is_kept(tag: str, name: str, value: str) -> bool:
    if name not in ATTRIBUTES.get(tag, ()):
        return False
    if name == "src":
        return _IMAGE_URL.fullmatch(value) is not None
    return name not in _NUMBERS or _NUMBER.fullmatch(value) is not None


class _Inspector(HTMLParser):
    """Refuses elements and attributes beyond the allow-list."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS | OWN_TAGS:
            raise UnsafeError(f"an element {tag!r} is not allowed")
        for name, value in attrs:
            if tag == "section" and name == "id" and _CELL_ID.fullmatch(value or ""):
                continue
            if name not in OWN_ATTRIBUTES and not _attribute_is_kept(tag, name, value or ""):
                raise UnsafeError(f"an attribute {name!r} of {tag!r} is not allowed")

    def handle_comment(self, data: str) -> None:
        raise UnsafeError(f"a comment is not allowed ({len(data)} characters)")

    def handle_decl(self, decl: str) -> None:
        raise UnsafeError(f"a declaration is not allowed ({len(decl)} characters)")

    def handle_pi(self, data: str) -> None:
        raise UnsafeError(f"a processing instruction is not allowed ({len(data)} characters)")

    def unknown_decl(self, data: str) -> None:
        raise UnsafeError(f"a declaration is not allowed ({len(data)} characters)")


@cache
def _markdown() -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table")
