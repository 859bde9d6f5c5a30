"""What a run prints at its end: the tables of `scribe-suite compare`, attempts without a score, coverage, paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scribe_suite.analysis.summary import coverage, notes
from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.records import AttemptRecord
from scribe_suite.ledger.sources import RecordedRun, RunInfo, Source
from scribe_suite.plugin.reporter import write
from scribe_suite.plugin.settings import SETTINGS, Settings


def print_summary(reporter: Any, records: Sequence[AttemptRecord], planned: int, paths: Mapping[str, str]) -> None:
    """Print the comparison of a run.

    Args:
        reporter: pytest's terminal reporter.
        records: All attempts of the run.
        planned: How many were planned.
        paths: Label -> path to print.
    """
    # importing numpy and scipy takes most of a second, which is acceptable at the end of a run but not in a collection
    from scribe_suite.analysis.columns import attempts_of
    from scribe_suite.analysis.comparison import compare
    from scribe_suite.analysis.presentation.formats import print_notes, print_terminal

    reporter.section("scribe task suite", sep="=", bold=True)
    run = RecordedRun(_info(reporter.config.stash[SETTINGS]), records)
    comparison = compare(attempts_of([run]))
    write(reporter, lambda console: print_terminal(comparison, console))
    write(reporter, lambda console: print_notes(notes(records), console))
    counts = coverage(records, planned)
    reporter.write_line(str(counts), bold=True, red=counts.counted < counts.planned)
    for label, path in paths.items():
        reporter.write_line(f"{label}: {path}")


def _info(settings: Settings) -> RunInfo:
    path = settings.ledger_path
    try:
        return Source(path).info
    except ConfigurationError:  # somebody took it away, and the attempts are here all the same
        return RunInfo(path, settings.run)
