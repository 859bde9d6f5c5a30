"""Converts HTML to readable text: tables in columns, one block per line, no styles and no scripts.

A kernel's HTML is untrusted. The standard library's parser takes minutes for 20,000 characters of ``<a <a <a``, so tags
are found here by searches that never backtrack: the time is linear in the length. Input that is not HTML becomes some
text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

#: How many characters are read; the rest is left out, with a note.
MAX_HTML = 200_000
#: Widest padding of a column, in characters; longer cells exceed it.
MAX_COLUMN = 40
#: Most columns that one cell can span: the number is untrusted.
MAX_SPAN = 20
#: Longest tag in which quoted brackets are recognised, in characters.
MAX_TAG = 2000

_TAG_NAME = re.compile(r"/?[a-zA-Z][a-zA-Z0-9:-]*")
_SPAN = re.compile(r"""\b(?P<way>col|row)span\s*=\s*["']?(?P<count>[0-9]{1,4})""", re.IGNORECASE)
_ALT = re.compile(r"""\balt\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)')""", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
_SKIPPED = frozenset(("script", "style", "head", "template", "noscript", "title"))
_BLOCK_NAMES = (
    "address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 header hr html li main nav ol p pre section summary table tbody tfoot thead tr ul"
)
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_CELLS = frozenset(("td", "th"))


@dataclass
class _Table:
    """A table that is being read.

    Attributes:
        rows: Rows of cells; a cell that spans several has empty ones beside and below it.
        taken: Column -> the first row there that no cell above occupies.
    """

    rows: list[list[str]] = field(default_factory=list)
    taken: dict[int, int] = field(default_factory=dict)

    def add(self, text: str, columns: int, rows: int) -> None:
        """Add a cell to the last row."""
        number, row = len(self.rows) - 1, self.rows[-1]
        while self.taken.get(len(row), 0) > number:
            row.append("")
        if rows > 1:
            self.taken.update(dict.fromkeys(range(len(row), len(row) + columns), number + rows))
        row.extend([text, *[""] * (columns - 1)])

    def lines(self) -> Iterator[str]:
        """The rows with aligned cells, without empty rows."""
        rows = [row for row in self.rows if any(row)]
        count = max(map(len, rows), default=0)
        widths = [
            min(MAX_COLUMN, max((len(row[column]) for row in rows if column < len(row)), default=0))
            for column in range(count)
        ]
        for row in rows:
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()


class _Writer:
    """Collects text and tags as lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._line: list[str] = []
        self._table: _Table | None = None
        self._nested = 0
        self._spans: dict[str, int] | None = None  # of the cell that is open
        self._literal = 0

    def text(self, text: str) -> None:
        """Process text between tags."""
        text = html.unescape(text)
        if self._table is None and self._literal:
            first, *rest = text.split("\n")
            self._line.append(first)
            for line in rest:
                self._end_line()
                self._line.append(line)
            return
        self._line.append(_SPACE.sub(" ", text))

    def tag(self, name: str, closing: bool, attributes: str) -> None:
        """Process a tag."""
        if name == "table":
            self._begin_or_end_table(closing)
        elif self._table is not None:
            self._tag_in_table(self._table, name, closing, attributes)
        elif name == "br" or name in _BLOCKS or name in _CELLS:
            self._end_line()
            if name == "pre":
                self._literal = max(0, self._literal + (-1 if closing else 1))
            if name == "li" and not closing:
                self._line.append("- ")
        if name == "img" and (found := _ALT.search(attributes)):
            self._line.append(f"[image: {found['double'] or found['single'] or ''}]")

    def finish(self) -> str:
        """The whole text."""
        if self._table is not None:
            self._nested = 1
            self._begin_or_end_table(closing=True)
        self._end_line()
        return "\n".join(self.lines).strip("\n")

    def _begin_or_end_table(self, closing: bool) -> None:
        if not closing:
            self._nested += 1
            if self._nested == 1:
                self._end_line()
                self._table, self._spans = _Table(), None
            return
        self._nested = max(0, self._nested - 1)
        if self._table is not None and self._nested == 0:
            self._end_cell(self._table)
            self.lines.extend(self._table.lines())
            self._table = None

    def _tag_in_table(self, table: _Table, name: str, closing: bool, attributes: str) -> None:
        """Only the outermost table has columns; the content of its cells becomes one line."""
        if self._nested > 1 or name not in (*_CELLS, "tr", "caption"):
            if name == "br" or name in _BLOCKS or name in _CELLS:
                self._line.append(" ")
            return
        self._end_cell(table)
        if name == "caption" and closing:
            self.lines.append("".join(table.rows.pop()) if table.rows else "")
        elif not closing:
            if name in ("tr", "caption") or not table.rows:
                table.rows.append([])
            if name != "tr":
                self._spans = {found["way"].lower(): int(found["count"]) for found in _SPAN.finditer(attributes)}

    def _end_cell(self, table: _Table) -> None:
        text = _SPACE.sub(" ", "".join(self._line)).strip()
        self._line.clear()
        if self._spans is not None:
            table.add(text, min(MAX_SPAN, max(1, self._spans.get("col", 1))), self._spans.get("row", 1))
        elif text:
            table.rows.append([text])
        self._spans = None

    def _end_line(self) -> None:
        line = "".join(self._line)
        line = line.rstrip() if self._literal else line.strip()
        self._line.clear()
        if line or (self._literal and self.lines):
            self.lines.append(line)


def html_text(source: str) -> str:
    """The readable text of an HTML fragment; empty when there is none."""
    writer = _Writer()
    skipped: str | None = None
    for text, tag in _pieces(source[:MAX_HTML]):
        name, closing, attributes = _named(tag)
        if skipped is not None:
            skipped = None if closing and name == skipped else skipped
            continue
        if text:
            writer.text(text)
        if not closing and name in _SKIPPED and not attributes.endswith("/"):
            skipped = name
        elif name:
            writer.tag(name, closing, attributes)
    found = writer.finish()
    if len(source) > MAX_HTML:
        found += f"\n[... {len(source) - MAX_HTML:,} characters of HTML left out ...]"
    return found.strip("\n")


def _pieces(source: str) -> Iterator[tuple[str, str]]:
    """Text and the tag that follows it, without its angle brackets; the tag is empty for comments and at the end."""
    place = 0
    while (opening := source.find("<", place)) >= 0:
        text = source[place:opening]
        if source.startswith("<!--", opening):
            end = source.find("-->", opening + 4)
            yield text, ""
            if end < 0:
                return
            place = end + 3
            continue
        if not (source[opening + 1 : opening + 2].isalpha() or source[opening + 1 : opening + 2] in ("/", "!", "?")):
            yield f"{text}<", ""
            place = opening + 1
            continue
        end = _end_of_tag(source, opening + 1)
        if end < 0:
            yield text, ""
            return
        yield text, source[opening + 1 : end]
        place = end + 1
    yield source[place:], ""


def _end_of_tag(source: str, begin: int) -> int:
    """The end of the tag that begins here, ignoring brackets in quotes; -1 when it does not end."""
    end = source.find(">", begin)
    quoted = end
    while quoted >= 0:
        inside = source[begin:quoted]
        if len(inside) > MAX_TAG or (inside.count('"') % 2 == 0 and inside.count("'") % 2 == 0):
            return quoted
        quoted = source.find(">", quoted + 1)
        if quoted - begin > MAX_TAG:
            break
    return end


def _named(tag: str) -> tuple[str, bool, str]:
    """Name of a tag in lower case, whether it is a closing one, and the rest."""
    found = _TAG_NAME.match(tag)
    if found is None:
        return "", False, ""
    name = found[0].lower()
    return name.removeprefix("/"), name.startswith("/"), tag[found.end() :]
