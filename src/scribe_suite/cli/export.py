"""``scribe-suite export``: runs in the formats of other tools."""

from __future__ import annotations

import argparse
from pathlib import Path

from scribe_suite.cli.parsers import Commands, add_command, add_results_dir

#: The formats, as `exports.runs.FORMATS` has them; a test compares the two.
FORMATS = ("eval", "atif", "docent")


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "export",
        run,
        summary="write a run as logs of Inspect (.eval), ATIF trajectories or Docent's agent runs",
        description="Write the attempts of a run for other tools: eval is read by Inspect View, Scout and Docent, atif "
        "by Harbor and Scout, docent by Docent. Seeds of fresh instances, and what the oracle did in them, are left "
        "out. eval needs scribe-suite[inspect], atif scribe-suite[harbor] and Python 3.12.",
        examples=("scribe-suite export 20261122-174501-a1b2c3 --format eval -o logs", "inspect view --log-dir logs"),
    )
    parser.add_argument("name", metavar="RUN", help="run id, or ledger runs/<run>.jsonl")
    add_results_dir(parser)
    parser.add_argument("--format", choices=FORMATS, default="eval", help="default: eval")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("exported"), metavar="DIR", help="new folder; default: exported"
    )
    parser.add_argument("--with-keys", action="store_true", help="write seeds and keys of fresh instances as well")


def run(options: argparse.Namespace) -> int:
    """Write the files and name them."""
    from scribe_suite.exports.runs import export_run
    from scribe_suite.ledger.run_names import find_run

    ledger = find_run(options.name, options.results_dir)
    for path in export_run(ledger, options.format, options.output, with_keys=options.with_keys):
        print(path)
    return 0
