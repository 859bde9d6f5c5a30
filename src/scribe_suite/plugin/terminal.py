"""What a run prints at its end: tables, coverage, paths."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from scribe_suite.results.records import AttemptRecord
from scribe_suite.results.summary import coverage, family_tables, notes

_UNFOLDED = 1000
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
    width = max(reporter._tw.fullwidth, _NARROWEST)
    for table in family_tables(records, width):
        stream = io.StringIO()
        # as wide as the table needs: one provider group may be wider than the line, and a folded table can't be read
        Console(file=stream, width=_UNFOLDED, color_system=None).print(table)
        reporter.write("".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines()))
    for note in notes(records):
        reporter.write_line(note)
    counts = coverage(records, planned)
    reporter.write_line(str(counts), bold=True, red=counts.counted < counts.planned)
    for label, path in paths.items():
        reporter.write_line(f"{label}: {path}")
