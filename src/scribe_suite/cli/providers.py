"""``scribe-suite providers``: the agent providers that are installed."""

from __future__ import annotations

import argparse

from scribe_suite.cli.parsers import Commands, add_command


def register(commands: Commands) -> None:
    """Add the command."""
    add_command(
        commands,
        "providers",
        run,
        summary="list the agent providers that --provider takes",
        description="List the agent providers that `pytest benchmarks --provider` takes, those of other packages "
        "included.",
        examples=("scribe-suite providers",),
    )


def run(_: argparse.Namespace) -> int:
    """Print the list."""
    from rich.table import Column, Table

    from scribe_suite.cli.consoles import console_for_lists
    from scribe_suite.providers.registry import ProviderSpec, load_provider, provider_names

    table = Table(Column("Provider", no_wrap=True), "What it does")
    for name in provider_names():
        table.add_row(name, load_provider(ProviderSpec(name)).summary)
    console_for_lists().print(table)
    return 0
