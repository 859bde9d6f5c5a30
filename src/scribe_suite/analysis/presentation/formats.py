"""A comparison in the formats that `scribe-suite compare` offers.

Names in it come from ledgers, which are untrusted: every format escapes them.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from scribe_suite.analysis import statistics
from scribe_suite.analysis.comparison import Comparison
from scribe_suite.analysis.presentation.layout import Columns, lay_out
from scribe_suite.analysis.presentation.page import as_html
from scribe_suite.analysis.presentation.result_table import ResultTable
from scribe_suite.analysis.presentation.tables import notes_of, tables_of

JSON_FORMAT = 1
_UNFOLDED = 1000


def print_terminal(comparison: Comparison, console: Console) -> None:
    """Print all tables and notes, folded at the console's width."""
    print_tables(tables_of(comparison), console)
    for note in notes_of(comparison):
        console.print(Text(without_controls(note)))


def print_tables(tables: Iterable[ResultTable], console: Console) -> None:
    """Print tables, folded at the console's width."""
    for table in tables:
        names = [_plain(row) for row in table.rows]
        blocks = [
            Columns(
                tuple(_plain(f"{column.of}\n{column.title}" if column.of else column.title) for column in block),
                tuple(tuple(_plain(column.text(row)) for column in block) for row in range(len(table.rows))),
            )
            for block in table.blocks
        ]
        for laid_out in lay_out(table.first, names, blocks, console.width):
            console.print(Text(without_controls(table.title), style="bold"))  # a title of the table would be folded
            # as wide as it needs to be: a folded table can't be read
            console.print(laid_out, width=max(console.width, min(_UNFOLDED, _measured(laid_out))), crop=False)


def as_markdown(comparison: Comparison) -> str:
    """Headings and pipe tables."""
    parts = [_markdown_table(table) for table in tables_of(comparison)]
    if notes := notes_of(comparison):
        parts.append("\n".join(f"- {markdown_text(note)}" for note in notes))
    return "\n\n".join(parts) + "\n"


def as_csv(comparison: Comparison) -> str:
    """One line per number, unrounded: table, row, side, column, value. Ends of intervals are columns of their own."""
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


#: The formats that are text; the terminal's is printed by `print_terminal`.
TEXT_FORMATS: dict[str, Callable[[Comparison], str]] = {
    "markdown": as_markdown,
    "csv": as_csv,
    "json": as_json,
    "html": as_html,
}


def markdown_text(text: str) -> str:
    """Text that Markdown shows as it is: on one line, no markup, no HTML, and nobody is notified by an @."""
    escaped = re.sub(r"([\\`*_\[\]|~#!])", r"\\\1", " ".join(text.split()))
    return re.sub(r"(?<!\w)@", "@<!-- -->", html.escape(escaped, quote=False))


def markdown_code(text: str) -> str:
    """Text as a code span, also within a table."""
    return "`" + " ".join(text.replace("`", "'").replace("|", "\\|").split()) + "`"


def markdown_rows(header: list[str], rows: list[list[str]], *, numbers: bool) -> str:
    """A pipe table of cells that are Markdown already; the first column is text, others are numbers or text."""
    rule = [":--", *(("--:" if numbers else ":--",) * (len(header) - 1))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, rule, *rows])


def _markdown_table(table: ResultTable) -> str:
    header = [table.first, *(markdown_text(f"{column.of} {column.title}".strip()) for column in table.columns)]
    rows = [
        [markdown_text(name), *(markdown_text(column.text(row)) for column in table.columns)]
        for row, name in enumerate(table.rows)
    ]
    return f"### {markdown_text(table.title)}\n\n{markdown_rows(header, rows, numbers=True)}"


def _plain(text: str) -> str:
    """Text without control characters, and without what rich would take for markup."""
    return escape(without_controls(text))


def without_controls(text: str) -> str:
    """Text without control characters, which could move a terminal's cursor or worse."""
    return re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", "", text)


def _measured(table: object) -> int:
    return Console(width=_UNFOLDED).measure(table).maximum  # type: ignore[arg-type]
