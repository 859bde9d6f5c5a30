"""``scribe-suite compare``: providers and runs beside each other."""

from __future__ import annotations

import argparse
import sys

from scribe_suite.analysis.arguments import COMPARE_FORMATS
from scribe_suite.cli.parsers import RUN_HELP, Commands, add_command, add_results_dir


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "compare",
        run,
        summary="compare providers and runs: tables, intervals, tests, cost",
        description="Print the tables of one or several runs, and compare providers and runs with each other: attempts "
        "are paired by task, trial and instance, and infrastructure failures are excluded. "
        "docs/reference/statistics.md explains each number.",
        examples=(
            "scribe-suite compare 20261122-174501-a1b2c3",
            "scribe-suite compare monday friday --format markdown",
        ),
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help=RUN_HELP)
    add_results_dir(parser)
    parser.add_argument("--format", choices=COMPARE_FORMATS, default="terminal", help="default: terminal")
    parser.add_argument(
        "--allow-different-versions",
        action="store_true",
        help="compare attempts even if the versions of a task differ",
    )
    parser.add_argument(
        "--controls",
        action="store_true",
        help="also show, for every task, the skill of a solver that sees only inputs and outputs, and by how much the "
        "best known method beats each provider",
    )


def run(options: argparse.Namespace) -> int:
    """Print the comparison."""
    from scribe_suite.analysis.comparison import compare_runs
    from scribe_suite.analysis.controls import read_controls
    from scribe_suite.analysis.presentation.formats import TEXT_FORMATS, print_terminal
    from scribe_suite.cli.consoles import console_for_logs
    from scribe_suite.ledger.run_names import find_run
    from scribe_suite.report.old_ledgers import WithGrounding

    comparison = compare_runs(
        [find_run(name, options.results_dir) for name in options.runs],
        allow_different_versions=options.allow_different_versions,
        complete=WithGrounding,
    )
    if options.controls:
        comparison = comparison.with_controls(read_controls())
    if options.format == "terminal":
        print_terminal(comparison, console_for_logs())
    else:
        sys.stdout.write(TEXT_FORMATS[options.format](comparison))
    return 0
