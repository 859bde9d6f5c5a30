"""Headers and records for tests."""

import json
from datetime import UTC, datetime

from scribe_suite.ledger.ledger import LedgerWriter
from scribe_suite.ledger.records import AttemptRecord, RunEnd, RunHeader, RunResume

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


def attempt(task="circuits/toy", provider="reference", trial=0, skill=1.0, **changes):
    """A record whose node id follows from what it is about; solved from a skill of 0.8 on."""
    family, _, name = task.partition("/")
    values = {
        "nodeid": f"benchmarks/{family}/test_{family}.py::test_{family[:-1]}[{name}-{provider}-t{trial}]",
        "task": task,
        "provider": provider,
        "trial": trial,
        "skill": skill,
        "outcome": "solved" if skill is not None and skill >= 0.8 else "unsolved",
        "metrics": {} if skill is None else {"iou": abs(skill) / 2, "f1": abs(skill)},
        "instance_seed": 1000 + trial,
    }
    return record(**{**values, **changes})


def failed(outcome="infrastructure:kernel_start", **changes):
    """An attempt without a score."""
    return attempt(**{"skill": None, "metrics": {}, "outcome": outcome, **changes})


def write_ledger(path, records, *, ended=True, **changes):
    """A ledger with these records, as a run would have written it."""
    values = {"run": path.stem, "planned": tuple(record.nodeid for record in records), **changes}
    writer = LedgerWriter(path, header(**values))
    for line in records:
        writer.append(line)
    if ended:
        writer.close(RunEnd(finished=NOW, exit_code=0))
    return path


def resume_ledger(path, records, *, ended=True, differences=()):
    """Add records to a ledger, as a run that is resumed would."""
    writer, _ = LedgerWriter.reopen(path)
    planned = tuple(record.nodeid for record in records)
    writer.resume(RunResume(resumed=NOW, planned=planned, differences=differences))
    for line in records:
        writer.append(line)
    if ended:
        writer.close(RunEnd(finished=NOW, exit_code=0))
    else:
        writer.leave()
    return path


def write_report(path, records, run="r1"):
    """A pytest-json-report with these records, as the plugin would have written it."""
    tests = [
        {
            "nodeid": entry.nodeid,
            "outcome": "passed",
            "metadata": {"scribe_suite": entry.model_copy(update={"instance_seed": None}).model_dump(mode="json")},
        }
        for entry in records
    ]
    content = {"created": NOW.timestamp(), "exitcode": 0, "tests": tests, "scribe_suite": {"run": run}}
    path.write_text(json.dumps(content))
    return path
