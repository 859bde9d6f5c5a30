"""What a run prints at its end: tables, coverage, paths."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from scribe_suite.results.records import AttemptRecord
from scribe_suite.results.summary import coverage, family_tables, notes

_NARROWEST = 120  # a log file has no width of its own, and a table folded to 80 columns can't be read


def print_summary(reporter: Any, records: Sequence[AttemptRecord], planned: int, paths: Mapping[str, str]) -> None:
    """Print the comparison of a run.

    Args:
        reporter: pytest's terminal reporter.
        records: All attempts of the run.
        planned: How many there were to be.
        paths: Label -> where to find it.
    """
    reporter.section("scribe task suite", sep="=", bold=True)
    for table in family_tables(records):
        reporter.write(_rendered(table, reporter))
        reporter.write_line("")
    for note in notes(records):
        reporter.write_line(note)
    counts = coverage(records, planned)
    reporter.write_line(str(counts), bold=True, red=counts.counted < counts.planned)
    for label, path in paths.items():
        reporter.write_line(f"{label}: {path}")


def _rendered(table: Table, reporter: Any) -> str:
    table.box = SIMPLE_HEAD
    stream = io.StringIO()
    width = max(reporter._tw.fullwidth, _NARROWEST)
    Console(file=stream, width=width, force_terminal=reporter.hasmarkup, color_system=None).print(table)
    return stream.getvalue()
