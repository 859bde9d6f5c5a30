"""Maps tests to attempts: the key that collection gives a test, and the task that a node id names."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from scribe_suite.ledger.attempt_ids import AttemptId
from scribe_suite.providers.registry import ProviderSpec
from scribe_suite.tasks.access import split_access
from scribe_suite.tasks.facts import TaskFacts
from scribe_suite.tasks.registry import default_registry

#: The fixture that makes a test an attempt; collection parametrises every test that needs it.
KEY_FIXTURE = "attempt_key"


@dataclass(frozen=True)
class AttemptKey:
    """Which attempt a test is."""

    task_id: str
    provider: ProviderSpec
    trial: int

    @property
    def test_id(self) -> str:
        """The part of the node id in brackets."""
        return str(AttemptId(self.task_id.partition("/")[2], str(self.provider), self.trial))


def attempt_key_of(item: pytest.Item) -> AttemptKey | None:
    """The attempt that `item` is, or None for an ordinary test."""
    key = getattr(getattr(item, "callspec", None), "params", {}).get(KEY_FIXTURE)
    return key if isinstance(key, AttemptKey) else None


def task_of(nodeid: str) -> TaskFacts | None:
    """The task that a node id names, or None for an ordinary test; `AttemptId` has the other parts.

    The controller of an xdist run knows only ids. Where two families have tasks of the same name, the path decides.
    """
    found = AttemptId.parse(nodeid)
    if found is None:
        return None
    label, access = split_access(found.label)
    tasks = [task for task in default_registry().facts.values() if task.label == label]
    if len(tasks) > 1:
        tasks = [task for task in tasks if task.family in nodeid.partition("::")[0]]
    if len(tasks) != 1 or (access is not None and access not in tasks[0].accesses):
        return None
    return tasks[0] if access is None else tasks[0].in_arm(access)
