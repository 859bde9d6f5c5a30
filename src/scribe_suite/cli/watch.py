"""``scribe-suite watch``: what a run is doing, from another terminal."""

from __future__ import annotations

import argparse
import math

from scribe_suite.cli.parsers import Commands, add_command, add_results_dir

_SHORTEST_INTERVAL_S = 0.1


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "watch",
        run,
        summary="show what a run is doing, from another terminal",
        description="Show the attempts that run (task, provider, turn, tool, elapsed, limit) and how many are done, "
        "until the run has ended; in a terminal as a table, otherwise as a line now and then. Exit code 0 when the run "
        "finished, 1 when it was cut off. It only reads: Ctrl-C ends the view, not the run.",
        examples=("scribe-suite watch", "scribe-suite watch --once"),
    )
    parser.add_argument(
        "name", metavar="RUN", nargs="?", help="run id or ledger runs/<run>.jsonl (default: the newest)"
    )
    add_results_dir(parser)
    parser.add_argument("--once", action="store_true", help="show the present state, and exit with 0")
    parser.add_argument(
        "--interval",
        type=interval,
        metavar="SECONDS",
        help="between two updates (default: 1 in a terminal, 60 where lines are printed)",
    )


def interval(text: str) -> float:
    """Seconds between two updates.

    Raises:
        argparse.ArgumentTypeError: When the text is no number, or too small.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= _SHORTEST_INTERVAL_S):
        raise argparse.ArgumentTypeError(f"{text!r} is not {_SHORTEST_INTERVAL_S:g} or more seconds.")
    return value


def run(options: argparse.Namespace) -> int:
    """Show the run."""
    from scribe_suite.watching.watch import watch

    return watch(options.name, options.results_dir, options.interval, options.once)
