"""``scribe-suite show``: the tables of a run."""

from __future__ import annotations

import argparse

from scribe_suite.cli.parsers import RUN_HELP, Commands, add_command, add_results_dir


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "show",
        run,
        summary="print the tables of a run, also of one that was killed",
        description="Print what a run prints at its end: the tables that compare gives, what could not be scored and "
        "why, and the coverage.",
        examples=("scribe-suite show 20261122-174501-a1b2c3",),
    )
    parser.add_argument("name", metavar="RUN", help=RUN_HELP)
    add_results_dir(parser)


def run(options: argparse.Namespace) -> int:
    """Print the tables."""
    from scribe_suite.analysis.columns import attempts_of
    from scribe_suite.analysis.comparison import compare
    from scribe_suite.analysis.presentation.formats import print_notes, print_terminal
    from scribe_suite.analysis.summary import coverage, notes
    from scribe_suite.cli.consoles import console_for_logs
    from scribe_suite.ledger.run_names import find_run
    from scribe_suite.ledger.sources import RecordedRun, read_records

    recorded = RecordedRun(*read_records(find_run(options.name, options.results_dir)))
    console = console_for_logs()
    print_terminal(compare(attempts_of([recorded])), console)
    print_notes(notes(recorded.records), console)
    console.print(str(coverage(recorded.records, recorded.info.planned.total())))
    return 0
