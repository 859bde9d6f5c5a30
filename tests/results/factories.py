"""Headers and records for tests."""

from datetime import UTC, datetime

from scribe_suite.results.records import AttemptRecord, RunHeader

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def header(**changes):
    values = {
        "run": "r1",
        "started": NOW,
        "planned": ("a", "b"),
        "providers": ("reference",),
        "trials": 1,
        "run_seed": 5,
        "seed_mode": "fixed",
        "isolation": "namespaces",
        "limits": {"agent_timeout_s": 1.0},
        "lock": {"git": {"commit": None}},
    }
    return RunHeader(**{**values, **changes})


def record(**changes):
    values = {
        "nodeid": "a",
        "task": "circuits/toy",
        "task_version": 1,
        "provider": "reference",
        "trial": 0,
        "outcome": "solved",
        "metrics": {"f1": 1.0},
        "skill": 1.0,
    }
    return AttemptRecord(**{**values, **changes})
