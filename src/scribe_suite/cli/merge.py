"""``scribe-suite merge``: one ledger from several."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scribe_suite.cli.parsers import Commands, add_command, add_results_dir


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "merge",
        run,
        summary="merge the ledgers of shards or of the jobs of a matrix",
        description="Write one ledger from the ledgers of parts of a run. Attempts that are in several of them, and "
        "locks that differ, are named and refused.",
        examples=("scribe-suite merge shards/*.jsonl -o runs/whole.jsonl",),
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run id, or ledger runs/<run>.jsonl")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="LEDGER", help="a new file")
    add_results_dir(parser)


def run(options: argparse.Namespace) -> int:
    """Write the ledger, and say how complete it is."""
    from scribe_suite.ledger.merge import merge_ledgers
    from scribe_suite.ledger.run_names import find_run

    merged = merge_ledgers([find_run(name, options.results_dir) for name in options.runs], options.output)
    sys.stdout.write(
        f"{options.output}: {merged.attempts} attempts of {merged.planned} planned"
        + ("" if merged.complete else "; a part was cut off, so the whole counts as cut off")
        + "\n"
    )
    return 0
