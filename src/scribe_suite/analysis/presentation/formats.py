"""A comparison in the formats that `scribe-suite compare` offers.

Names in it come from ledgers, which are untrusted: every format escapes them.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace

from rich.console import Console
from rich.text import Text

from scribe_suite.analysis import statistics
from scribe_suite.analysis.comparison import Comparison
from scribe_suite.analysis.presentation.layout import Columns, Layout, best_of, lay_out
from scribe_suite.analysis.presentation.page import as_html
from scribe_suite.analysis.presentation.result_table import NOTHING, Column, ResultTable
from scribe_suite.analysis.presentation.tables import notes_of, tables_of

JSON_FORMAT = 1
_UNFOLDED = 1000
#: How many times longer the table with a row for each name (the original suite's form) may be.
_FAR_SHORTER = 2
#: A non-breaking space.
_HARD = "\N{NO-BREAK SPACE}"


def print_terminal(comparison: Comparison, console: Console) -> None:
    """Print all tables and notes, no wider than the console."""
    print_tables(tables_of(comparison), console)
    print_notes(notes_of(comparison), console)


def print_tables(tables: Iterable[ResultTable], console: Console) -> None:
    """Print tables that have a value, no wider than the console.

    A table that does not fit is split into numbered parts.
    """
    for table in tables:
        if table.is_empty:
            continue
        title, layout = _laid_out(table, console.width)
        parts = layout.tables
        for number, part in enumerate(parts, start=1):
            which = f", part{_HARD}{number}{_HARD}of{_HARD}{len(parts)}" if len(parts) > 1 else ""
            # the title of a rich table would be wrapped at the table's width
            for line in _wrapped(f"{title}{which}", console.width):
                console.print(Text(line, style="bold"), soft_wrap=True)
            # where a single column is wider than the console, the table is too: truncated, it could not be read
            console.print(part, width=max(console.width, min(_UNFOLDED, _measured(part))), crop=False)


def print_notes(notes: Iterable[str], console: Console) -> None:
    """Print sentences, wrapped between words; continuation lines are indented."""
    for note in notes:
        for line in _wrapped(note, console.width, "  ") or [""]:
            console.print(Text(line), soft_wrap=True)


def as_markdown(comparison: Comparison) -> str:
    """Headings and pipe tables."""
    parts = [_markdown_table(table) for table in tables_of(comparison) if not table.is_empty]
    if notes := notes_of(comparison):
        parts.append("\n".join(f"- {markdown_text(note)}" for note in notes))
    return "\n\n".join(parts) + "\n"


def as_csv(comparison: Comparison) -> str:
    """One line per number, unrounded: table, row, side, column, value. Ends of intervals have their own columns."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("table", "row", "side", "column", "value"))
    for table in tables_of(comparison):
        for column in table.columns:
            for row, value in zip(table.rows, column.values, strict=True):
                if isinstance(value, tuple):
                    for end, number in zip(("low", "high"), value, strict=True):
                        writer.writerow((table.key, row, column.of, f"{column.title}: {end}", repr(number)))
                elif value is not None:
                    shown = repr(value) if isinstance(value, float) else value
                    writer.writerow((table.key, row, column.of, column.title, shown))
    return stream.getvalue()


def as_json(comparison: Comparison) -> str:
    """Everything, unrounded."""
    content = {
        "format": JSON_FORMAT,
        "level": statistics.LEVEL,
        "power": statistics.POWER,
        **asdict(comparison),
        "notes": notes_of(comparison),
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


#: The text formats; the terminal's is printed by `print_terminal`.
TEXT_FORMATS: dict[str, Callable[[Comparison], str]] = {
    "markdown": as_markdown,
    "csv": as_csv,
    "json": as_json,
    "html": as_html,
}


def markdown_text(text: str) -> str:
    """Text that Markdown shows literally: on one line, without markup or HTML, and without mentions by @."""
    escaped = re.sub(r"([\\`*_\[\]|~#!])", r"\\\1", " ".join(text.split()))
    return re.sub(r"(?<!\w)@", "@<!-- -->", html.escape(escaped, quote=False))


def markdown_code(text: str) -> str:
    """Text as a code span, also within a table."""
    return "`" + " ".join(text.replace("`", "'").replace("|", "\\|").split()) + "`"


def markdown_rows(header: list[str], rows: list[list[str]], *, numbers: bool) -> str:
    """A pipe table of cells that already are Markdown; the first column is text, others are numbers or text."""
    rule = [":--", *(("--:" if numbers else ":--",) * (len(header) - 1))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, rule, *rows])


def _markdown_table(table: ResultTable) -> str:
    table = table.without_empty()
    header = [table.first, *(markdown_text(f"{column.of} {column.title}".strip()) for column in table.columns)]
    rows = [
        [markdown_text(name), *(markdown_text(column.text(row)) for column in table.columns)]
        for row, name in enumerate(table.rows)
    ]
    return f"### {markdown_text(table.title)}\n\n{markdown_rows(header, rows, numbers=True)}"


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Lines broken between words only, so that paths and node ids in them can be copied."""
    lines = textwrap.wrap(
        without_controls(text), width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(_HARD, " ") for line in lines]


def _laid_out(whole: ResultTable, width: int) -> tuple[str, Layout]:
    """The title, and the table with a row for each name or, where that is far shorter, for each name and side."""
    table = whole.without_empty()
    layout = lay_out(*_by_row(table), width)
    shown = {column.of for column in table.columns}
    sides = [side for side in dict.fromkeys(column.of for column in whole.columns) if side and side in shown]
    if layout.as_it_is or not sides:
        return table.title, layout
    if len(sides) == 1:  # whose name need not stand in every heading
        blocks = tuple(tuple(replace(column, of="") for column in block) for block in table.blocks)
        return f"{table.title}: {sides[0]}", lay_out(*_by_row(replace(table, blocks=blocks)), width)
    if len(layout.parts) == 1:
        return table.title, layout
    other = lay_out(*_by_row_and_side(table, sides), width)
    if not layout.whole:  # columns that are there to be compared are in several parts
        return table.title, best_of([layout, other], width)
    return table.title, other if _FAR_SHORTER * other.lines <= layout.lines else layout


def _by_row(table: ResultTable) -> tuple[Columns, list[Columns]]:
    keys = Columns((table.first,), tuple((without_controls(name),) for name in table.rows))
    return keys, [_columns(block, range(len(table.rows))) for block in table.blocks]


def _columns(block: Iterable[Column], rows: Iterable[int]) -> Columns:
    own = list(block)
    titles = (f"{column.of}\n{column.title}" if column.of else column.title for column in own)
    cells = (tuple(without_controls(column.text(row)) for column in own) for row in rows)
    return Columns(tuple(map(without_controls, titles)), tuple(cells))


def _by_row_and_side(table: ResultTable, sides: list[str]) -> tuple[Columns, list[Columns]]:
    """A row for each name and side; values that belong to no side are in the first row of their name."""
    rows = range(len(table.rows))
    names = (
        (without_controls(table.rows[row]) if side == sides[0] else "", without_controls(side))
        for row in rows
        for side in sides
    )
    keys = Columns((table.first, table.of), tuple(names))
    blocks = []
    for title, own in _by_title(table.columns).items():
        cells = (_cell(own, side, row, first=side == sides[0]) for row in rows for side in sides)
        blocks.append(Columns((without_controls(title),), tuple((without_controls(cell),) for cell in cells)))
    return keys, blocks


def _cell(own: Mapping[str, Column], side: str, row: int, *, first: bool) -> str:
    if "" in own:
        return own[""].text(row) if first else ""
    return own[side].text(row) if side in own else NOTHING


def _by_title(columns: Iterable[Column]) -> dict[str, dict[str, Column]]:
    """Title -> side, or nothing -> its column."""
    found: dict[str, dict[str, Column]] = {}
    for column in columns:
        found.setdefault(column.title, {})[column.of] = column
    return found


def without_controls(text: str) -> str:
    """Text without control characters, which could move a terminal's cursor or worse."""
    return re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", "", text)


def _measured(table: object) -> int:
    return Console(width=_UNFOLDED).measure(table).maximum  # type: ignore[arg-type]
