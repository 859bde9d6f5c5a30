"""A pytest plugin that lists the attempts of a command line; `plan` runs pytest with it.

Only pytest can determine them: they depend on benchmarks, options, and what is installed on this machine.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from scribe_suite.measurements.measured_task import unavailable
from scribe_suite.plugin.attempt_keys import task_of

#: Environment variable with the path of the output file.
LISTING = "SCRIBE_SWEEP_LISTING"


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Write the list: node ids of attempts, and the reasons why others can't run here."""
    attempts: list[str] = []
    skipped: dict[str, int] = {}
    reasons: dict[str, str | None] = {}
    for item in session.items:
        task = task_of(item.nodeid)
        if task is None:
            continue
        if task.id not in reasons:
            reasons[task.id] = unavailable(task)
        reason = reasons[task.id]
        if reason is None:
            attempts.append(item.nodeid)
        else:
            skipped[reason] = skipped.get(reason, 0) + 1
    Path(os.environ[LISTING]).write_text(json.dumps({"attempts": attempts, "skipped": skipped}))
