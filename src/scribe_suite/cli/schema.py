"""``scribe-suite schema``: the JSON Schema of a ledger's lines."""

from __future__ import annotations

import argparse
import json
import sys

from scribe_suite.cli.parsers import Commands, add_command


def register(commands: Commands) -> None:
    """Add the command."""
    add_command(
        commands,
        "schema",
        run,
        summary="print the JSON Schema of a ledger's lines",
        description="Print the JSON Schema that every line of a ledger follows.",
        examples=("scribe-suite schema > ledger.schema.json",),
    )


def run(_: argparse.Namespace) -> int:
    """Print the schema."""
    from scribe_suite.ledger.ledger import ledger_schema

    sys.stdout.write(json.dumps(ledger_schema(), indent=1) + "\n")
    return 0
