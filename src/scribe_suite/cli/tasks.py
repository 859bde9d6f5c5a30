"""``scribe-suite tasks``: the tasks, without importing their files."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from scribe_suite.cli.parsers import Commands, add_command

if TYPE_CHECKING:
    from scribe_suite.tasks.facts import TaskFacts


def register(commands: Commands) -> None:
    """Add the command."""
    add_command(
        commands,
        "tasks",
        run,
        summary="list the tasks and the models that they are about",
        description="List every task: the models that it is about, its metrics, and what is asked. Of a task on a real "
        "model, say what is missing on this machine.",
        examples=("scribe-suite tasks", "scribe-suite tasks | grep real"),
    )


def run(_: argparse.Namespace) -> int:
    """Print the list."""
    from rich.table import Column, Table

    from scribe_suite.cli.consoles import console_for_lists
    from scribe_suite.tasks.registry import default_registry

    table = Table(Column("Task", no_wrap=True), "Models", "Metrics", "What is asked")
    for facts in default_registry().facts.values():
        table.add_row(facts.id, _models(facts), ", ".join(facts.metrics), facts.summary)
    console_for_lists().print(table)
    return 0


def _models(facts: TaskFacts) -> str:
    from scribe_suite.measurements.measured_task import unavailable
    from scribe_suite.planting.frozen import list_frozen, models_folder

    if facts.models_id is not None:
        return f"{len(list_frozen(models_folder(facts.models_id)))} planted"
    missing = unavailable(facts)
    return "a real one" if missing is None else f"a real one: {missing}"
