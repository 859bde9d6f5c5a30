"""The output of a run as an SVG that loads nothing from the network."""

from __future__ import annotations

import io
from collections.abc import Collection
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME
from rich.text import Text

from scribe_suite.analysis.columns import attempts_of
from scribe_suite.analysis.comparison import compare
from scribe_suite.analysis.presentation.formats import print_tables
from scribe_suite.analysis.presentation.tables import tables_of
from scribe_suite.analysis.summary import coverage
from scribe_suite.ledger.sources import RecordedRun, read_records

#: Columns of the terminal that is drawn.
WIDTH = 100
#: Rich's own frame loads its font from a server; here the reader's monospaced font is used.
_FRAME = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px DejaVu Sans Mono, Menlo, Consolas, monospace; }}
.{unique_id}-title {{ font: bold 14px DejaVu Sans, Arial, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def table_svg(ledger: Path, title: str, keys: Collection[str]) -> str:
    """Draw some of the tables that a run prints at its end, and its coverage.

    Args:
        ledger: The run's ledger.
        title: The title of the drawn window.
        keys: Which tables (`ResultTable.key`).
    """
    run = RecordedRun(*read_records(ledger))
    tables = [table for table in tables_of(compare(attempts_of([run]))) if table.key in keys]
    console = Console(width=WIDTH, record=True, file=io.StringIO())
    print_tables(tables, console)
    console.print(Text(str(coverage(run.records, run.info.planned.total()))))
    svg = console.export_svg(title=title, theme=DEFAULT_TERMINAL_THEME, code_format=_FRAME, unique_id="table")
    return "".join(f"{line.rstrip()}\n" for line in svg.splitlines())
