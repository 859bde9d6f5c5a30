"""What a ledger says of an attempt and its run, without what must stay secret."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from scribe_suite.ledger.records import AttemptRecord, RunHeader
from scribe_suite.report.experiments import Experiment
from scribe_suite.report.keys import KEY_PROVIDERS

#: Fields of a record that identify an instance whose key is still secret.
_SECRET = frozenset({"instance_seed", "base_model"})
#: Fields that are of this machine only.
_OF_THIS_MACHINE = frozenset({"line", "folder", "artifacts", "worker"})


def attempt_facts(record: AttemptRecord, *, revealed: bool) -> dict[str, Any]:
    """A record as JSON-safe facts.

    Args:
        record: The attempt.
        revealed: Whether seeds and base models may be shown.
    """
    left_out = _OF_THIS_MACHINE if revealed else _OF_THIS_MACHINE | _SECRET
    return record.model_dump(mode="json", exclude=set(left_out), exclude_none=True)


def run_facts(header: RunHeader, *, revealed: bool) -> dict[str, Any]:
    """A run's header as JSON-safe facts: what was run, and how."""
    facts = {
        "run": header.run,
        "trials": header.trials,
        "levels": header.levels,
        "arms": header.arms,
        "model": header.model,
        "limits": dict(header.limits),
        "isolation": header.isolation,
        "seed_mode": header.seed_mode,
        "packages": packages(header),
    }
    if revealed:
        facts["run_seed"] = header.run_seed
    return {name: value for name, value in facts.items() if value is not None}


def experiment_facts(experiments: Iterable[Experiment]) -> dict[str, Any]:
    """What was run in a laboratory, as one JSON-safe fact; nothing where nothing was run."""
    told = [asdict(one) for one in experiments]
    return {"experiments": told} if told else {}


def packages(header: RunHeader) -> dict[str, str]:
    """Versions of packages in the run, by name."""
    found = header.lock.get("packages")
    if not isinstance(found, Mapping):
        return {}
    return {str(name): version for name, version in found.items() if isinstance(version, str)}


def is_sealed(record: AttemptRecord, *, revealed: bool) -> bool:
    """Whether the content of an attempt is the key, and the key is secret."""
    return not revealed and record.provider.partition(":")[0] in KEY_PROVIDERS


def by_kind(tokens: Mapping[str, int]) -> dict[str, int]:
    """Tokens of all kinds that a provider may report, 0 where it did not report a kind."""
    return {kind: tokens.get(kind, 0) for kind in ("input", "cached", "cache_write", "output", "reasoning")}
