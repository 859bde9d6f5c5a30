"""``scribe-suite diff``: what changed between two runs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scribe_suite.analysis.arguments import DEFAULT_TOLERANCE, DIFF_FORMAT_NAMES, tolerance
from scribe_suite.cli.parsers import RUN_HELP, Commands, add_command


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "diff",
        run,
        summary="list what changed between two runs; exit code 1 on regressions",
        description="List the tests that are newly solved, newly unsolved or newly failed by infrastructure, and "
        "metrics that changed. Exit code 1 when the skill of a test fell by more than the tolerance, 3 when none did "
        "but a test newly failed by infrastructure, otherwise 0.",
        examples=("scribe-suite diff runs/monday.jsonl runs/friday.jsonl --tolerance 0.1",),
    )
    parser.add_argument("old", type=Path, metavar="OLD", help=RUN_HELP)
    parser.add_argument("new", type=Path, metavar="NEW", help="the run in question")
    parser.add_argument(
        "--tolerance",
        type=tolerance,
        default=DEFAULT_TOLERANCE,
        metavar="X",
        help=f"ignore changes of skill and metrics up to this size (default: {DEFAULT_TOLERANCE})",
    )
    parser.add_argument("--format", choices=DIFF_FORMAT_NAMES, default="terminal", help="default: terminal")


def run(options: argparse.Namespace) -> int:
    """Print the differences."""
    from scribe_suite.analysis.diff import diff_runs
    from scribe_suite.analysis.presentation.diff_formats import DIFF_FORMATS

    result = diff_runs(options.old, options.new, options.tolerance)
    sys.stdout.write(DIFF_FORMATS[options.format](result))
    return result.exit_code
