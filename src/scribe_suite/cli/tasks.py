"""``scribe-suite tasks``: the tasks, without importing their files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import groupby
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
        description="List every task: the models that it is about, its metrics, and what is asked. For a task on a "
        "real model, say what is missing on this machine.",
        examples=("scribe-suite tasks", "scribe-suite tasks | grep real"),
    )


def run(_: argparse.Namespace) -> int:
    """Print the list."""
    from rich.table import Column, Table

    from scribe_suite.cli.consoles import console_for_lists
    from scribe_suite.tasks.registry import default_registry

    table = Table(Column("Task", no_wrap=True), "Levels", "Models", "Metrics", "What is asked")
    registry = default_registry()
    for facts in registry.questions():
        levels = [one for one in registry.facts.values() if (one.family, one.name) == (facts.family, facts.name)]
        table.add_row(facts.id, _levels(levels), _models(facts), ", ".join(facts.metrics), facts.summary)
    console_for_lists().print(table)
    return 0


def _levels(levels: Sequence[TaskFacts]) -> str:
    """Levels by how they hand the model over, as in ``1 weights, 2-4 lab``."""
    parts = []
    for access, group in groupby(levels, key=lambda one: one.accesses[0]):
        numbers = [one.level for one in group]
        span = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"
        parts.append(f"{span} {access}")
    return ", ".join(parts)


def _models(facts: TaskFacts) -> str:
    from scribe_suite.measurements.measured_task import unavailable
    from scribe_suite.planting.frozen import list_frozen, models_folder

    if facts.models_id is not None:
        return f"{len(list_frozen(models_folder(facts.models_id)))} planted"
    if facts.source == "planted":
        return "made with each instance"
    missing = unavailable(facts)
    return "a real one" if missing is None else f"a real one: {missing}"
