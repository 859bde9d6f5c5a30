"""The commands of `scribe-suite` that read ledgers: compare, diff, merge, schema."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction

COMPARE_FORMATS = ("terminal", "markdown", "csv", "json", "html")
DIFF_FORMAT_NAMES = ("terminal", "markdown", "json")
DEFAULT_TOLERANCE = 0.05
_LOG_WIDTH = 120
_RUN_HELP = "ledger runs/<run>.jsonl, or a pytest-json-report of this suite"


def add_result_commands(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to those of the command line."""
    compare = commands.add_parser(
        "compare",
        help="compare providers and runs: tables, intervals, tests, cost",
        description="Print the tables of one or several runs, and compare providers and runs with each other: attempts "
        "are paired by task, trial and instance, and attempts that infrastructure failed are in no number. How each "
        "number is made is in docs/reference/statistics.md.",
    )
    compare.add_argument("runs", type=Path, nargs="+", metavar="RUN", help=_RUN_HELP)
    compare.add_argument("--format", choices=COMPARE_FORMATS, default="terminal", help="default: terminal")
    compare.add_argument(
        "--allow-different-versions",
        action="store_true",
        help="compare attempts at different versions of a task all the same",
    )
    compare.set_defaults(command=_compare)

    diff = commands.add_parser(
        "diff",
        help="list what changed between two runs; exit code 1 on regressions",
        description="List the tests that are newly solved, newly unsolved or newly failed by infrastructure, and "
        "metrics that changed. Exit code 1 when the skill of a test fell by more than the tolerance, 3 when none did "
        "and infrastructure failed what it did not fail before, else 0.",
    )
    diff.add_argument("old", type=Path, metavar="OLD", help=_RUN_HELP)
    diff.add_argument("new", type=Path, metavar="NEW", help="the run in question")
    diff.add_argument(
        "--tolerance",
        type=tolerance,
        default=DEFAULT_TOLERANCE,
        metavar="X",
        help=f"changes of skill and metrics up to this size are none (default: {DEFAULT_TOLERANCE})",
    )
    diff.add_argument("--format", choices=DIFF_FORMAT_NAMES, default="terminal", help="default: terminal")
    diff.set_defaults(command=_diff)

    merge = commands.add_parser(
        "merge",
        help="make one ledger of those of shards or of the jobs of a matrix",
        description="Write one ledger from those of parts of a run. An attempt that is in several of them and locks "
        "that differ are refused by name.",
    )
    merge.add_argument("ledgers", type=Path, nargs="+", metavar="LEDGER", help="runs/<run>.jsonl")
    merge.add_argument(
        "-o", "--output", type=Path, required=True, metavar="LEDGER", help="a file that is not there yet"
    )
    merge.set_defaults(command=_merge)

    schema = commands.add_parser(
        "schema",
        help="print the JSON Schema of a ledger's lines",
        description="Print the JSON Schema that every line of a ledger obeys.",
    )
    schema.set_defaults(command=_schema)


def tolerance(text: str) -> float:
    """A finite number from 0 on.

    Raises:
        argparse.ArgumentTypeError: When it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no tolerance: give a number from 0 on, such as 0.05.")
    return value


def _compare(options: argparse.Namespace) -> int:
    from rich.console import Console

    from scribe_suite.analysis.comparison import compare_runs
    from scribe_suite.analysis.presentation.formats import TEXT_FORMATS, print_terminal

    comparison = compare_runs(options.runs, allow_different_versions=options.allow_different_versions)
    if options.format == "terminal":
        print_terminal(comparison, Console() if sys.stdout.isatty() else Console(width=_LOG_WIDTH))
    else:
        sys.stdout.write(TEXT_FORMATS[options.format](comparison))
    return 0


def _diff(options: argparse.Namespace) -> int:
    from scribe_suite.analysis.diff import diff_runs
    from scribe_suite.analysis.presentation.diff_formats import DIFF_FORMATS

    result = diff_runs(options.old, options.new, options.tolerance)
    sys.stdout.write(DIFF_FORMATS[options.format](result))
    return result.exit_code


def _merge(options: argparse.Namespace) -> int:
    from scribe_suite.ledger.merge import merge_ledgers

    merged = merge_ledgers(options.ledgers, options.output)
    sys.stdout.write(
        f"{options.output}: {merged.attempts} attempts of {merged.planned} planned"
        + ("" if merged.complete else "; a part was cut off, so the whole counts as cut off")
        + "\n"
    )
    return 0


def _schema(_: argparse.Namespace) -> int:
    from scribe_suite.ledger.ledger import ledger_schema

    sys.stdout.write(json.dumps(ledger_schema(), indent=1) + "\n")
    return 0
