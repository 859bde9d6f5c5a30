"""The lock of the run that the command line describes."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Any

from scribe_suite.errors import SuiteError
from scribe_suite.ledger.lock import lock
from scribe_suite.measurements.measured_task import truth_facts
from scribe_suite.paths import suite_root
from scribe_suite.plugin.collection import attempt_of
from scribe_suite.plugin.option.options import Settings
from scribe_suite.providers.base import Limits
from scribe_suite.providers.registry import GROUP, ProviderSpec, load_provider
from scribe_suite.seeds import attempt_seed


def run_lock(settings: Settings, planned: Iterable[str], tier: str) -> dict[str, Any]:
    """See `results.lock.lock`.

    Args:
        settings: Of the run.
        planned: Node ids of its attempts.
        tier: Name of the tier of isolation in force.

    Raises:
        ConfigurationError: When a task's prompt or reference solution is missing.
    """
    tasks = {}
    seeds: dict[str, dict[int, int]] = {}
    for task, _, trial in filter(None, map(attempt_of, planned)):
        tasks[task.id] = task
        seeds.setdefault(task.id, {})[trial] = attempt_seed(settings.run_seed, task.id, trial)
    return lock(
        suite_root(),
        tasks.values(),
        truths={task.id: truth_facts(task) for task in tasks.values()},
        seeds=seeds,
        providers={str(spec): provider_facts(spec) for spec in settings.providers},
        isolation=tier,
        limits=limit_facts(settings.limits),
    )


def limit_facts(limits: Limits) -> dict[str, float]:
    """Limits as the ledger names them; those that are not set are left out."""
    named = {
        "agent_timeout_s": limits.wall_s,
        "cell_timeout_s": limits.cell_s,
        "max_turns": limits.turns,
        "max_tokens": limits.tokens,
        "max_cost_usd": limits.cost_usd,
    }
    return {name: value for name, value in named.items() if value is not None}


def provider_facts(spec: ProviderSpec) -> dict[str, str | None]:
    """What is known of a provider before it works: the model asked for, its program, the package it comes from."""
    (point,) = entry_points(group=GROUP, name=spec.name)
    try:
        program = load_provider(spec).program(spec.model)
    except SuiteError:  # its attempts will say what is wrong
        program = None
    package = None if point.dist is None else f"{point.dist.name} {point.dist.version}"
    return {"model": spec.model, "program": program, "package": package}
