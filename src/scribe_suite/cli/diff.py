"""``scribe-suite diff``: what changed between two runs."""

from __future__ import annotations

import argparse
import sys
import textwrap

from scribe_suite.analysis.arguments import DEFAULT_TOLERANCE, DIFF_FORMAT_NAMES, tolerance
from scribe_suite.cli.parsers import RUN_HELP, Commands, add_command, add_results_dir


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
        examples=("scribe-suite diff monday friday --tolerance 0.1",),
    )
    parser.add_argument("old", metavar="OLD", help=RUN_HELP)
    parser.add_argument("new", metavar="NEW", help="the run in question")
    add_results_dir(parser)
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
    from scribe_suite.ledger.run_names import find_run

    old, new = (find_run(name, options.results_dir) for name in (options.old, options.new))
    result = diff_runs(old, new, options.tolerance)
    text = DIFF_FORMATS[options.format](result)
    sys.stdout.write(_folded(text) if options.format == "terminal" else text)
    return result.exit_code


def _folded(text: str) -> str:
    """Lines wrapped between words at the terminal's width; unchanged where there is no terminal."""
    from scribe_suite.cli.consoles import console_for_lists

    width = console_for_lists().width
    lines = (
        textwrap.wrap(line, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
        for line in text.splitlines()
    )
    return "".join(f"{part}\n" for parts in lines for part in parts)
