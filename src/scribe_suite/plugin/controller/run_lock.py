"""The isolation tier and the lock of the run that the command line describes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from scribe_suite.errors import SuiteError
from scribe_suite.ledger.attempt_ids import AttemptId
from scribe_suite.ledger.lock import lock
from scribe_suite.measurements.measured_task import truth_facts
from scribe_suite.paths import suite_root
from scribe_suite.plugin.attempt_keys import task_of
from scribe_suite.plugin.settings import Settings, limit_facts
from scribe_suite.providers.registry import GROUP, ProviderSpec, load_provider
from scribe_suite.sandbox.probing import probe_isolation
from scribe_suite.sandbox.tiers import IsolationTier
from scribe_suite.seeds import attempt_seed


@dataclass(frozen=True)
class Surroundings:
    """The conditions under which a run is made.

    Attributes:
        tier: The isolation that is used.
        lock: Everything its numbers depend on, see `ledger.lock.lock`.
    """

    tier: IsolationTier
    lock: dict[str, Any]


def find_surroundings(settings: Settings, planned: Sequence[str]) -> Surroundings:
    """Determine the conditions of a run.

    Args:
        settings: The run's settings.
        planned: Node ids of its attempts.

    Raises:
        SuiteError: When the requested isolation is not available, or a task's prompt or reference solution is missing.
    """
    tier = probe_isolation(settings.isolation)
    return Surroundings(tier, run_lock(settings, planned, tier.name))


def run_lock(settings: Settings, planned: Iterable[str], tier: str) -> dict[str, Any]:
    """See `ledger.lock.lock`.

    Args:
        settings: The run's settings.
        planned: Node ids of its attempts.
        tier: Name of the isolation tier that is used.

    Raises:
        ConfigurationError: When a task's prompt or reference solution is missing.
    """
    tasks = {}
    seeds: dict[str, dict[int, int]] = {}
    for nodeid in planned:
        named, task = AttemptId.parse(nodeid), task_of(nodeid)
        if named is None or task is None:
            continue
        tasks[task.id] = task
        seeds.setdefault(task.id, {})[named.trial] = attempt_seed(settings.run_seed, task.question_id, named.trial)
    return lock(
        suite_root(),
        tasks.values(),
        truths={task.id: truth_facts(task) for task in tasks.values()},
        seeds=seeds,
        providers={str(spec): provider_facts(spec) for spec in settings.providers},
        isolation=tier,
        limits=limit_facts(settings.limits),
    )


def provider_facts(spec: ProviderSpec) -> dict[str, str | None]:
    """The facts about a provider before it works: the requested model, its program, the package it comes from."""
    (point,) = entry_points(group=GROUP, name=spec.name)
    try:
        program = load_provider(spec).program(spec.model)
    except SuiteError:  # its attempts will say what is wrong
        program = None
    package = None if point.dist is None else f"{point.dist.name} {point.dist.version}"
    return {"model": spec.model, "program": program, "package": package}
