"""The keys of attempts, redrawn from the ledger's seeds: the runs' folders do not contain them.

A fresh seed must stay secret as long as it may be used for testing, so a report shows keys only on request, or when the
run's seeds were given by the user and are not secret. A report without keys also leaves out seeds, base models, and the
submissions of the ``oracle`` provider, which are the keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scribe_suite.errors import SuiteError
from scribe_suite.ledger.records import AttemptRecord, RunHeader
from scribe_suite.report.answer_views import NO_CONTENT

#: Providers that submit the key.
KEY_PROVIDERS = frozenset({"oracle"})


@dataclass(frozen=True)
class Key:
    """A key, or why there is none.

    Attributes:
        content: Field of the answer -> the right value; None when it is unavailable.
        note: The reason for that, or empty.
    """

    content: Mapping[str, Any] | None
    note: str = ""


def keys_may_be_shown(header: RunHeader, with_keys: bool) -> bool:
    """Whether a report of this run shows the keys."""
    return with_keys or header.seed_mode == "fixed"


class AnswerKeys:
    """Redraws instances, each only once, because providers share them.

    Args:
        header: The run's header, with the hashes of its base models.
    """

    def __init__(self, header: RunHeader) -> None:
        self._locked = header.lock.get("tasks", {})
        self._known: dict[tuple[str, int], Key] = {}

    def key_of(self, record: AttemptRecord) -> Key:
        """The key of an attempt's instance; if something prevents that, the key's note says so."""
        if record.instance_seed is None:
            return Key(None, "The ledger has no seed of this attempt's instance.")
        place = (record.task, record.instance_seed)
        if place not in self._known:
            try:
                self._known[place] = self._drawn(record, record.instance_seed)
            except Exception as error:  # tasks are code of others; a key that can't be told is no reason to fail
                reason = str(error) if isinstance(error, SuiteError) else f"{type(error).__name__}: {error}"
                self._known[place] = Key(None, f"The instance can't be drawn again: {reason}")
        return self._known[place]

    def _drawn(self, record: AttemptRecord, seed: int) -> Key:
        from scribe_suite.measurements.selection import selecting
        from scribe_suite.paths import suite_root
        from scribe_suite.tasks.registry import default_registry

        task = default_registry()[record.task]
        if task.version != record.task_version:
            return Key(
                None,
                f"The task has version {task.version} here and had {record.task_version} in the run, so its instances "
                "are others.",
            )
        locked = self._locked.get(task.id, {}).get("base_models")
        if locked is not None and locked != task.base_models_sha256(suite_root()):
            return Key(None, "The base models here are not those of the run, so instances of its seeds are others.")
        known = self._locked.get(task.id, {})
        with selecting(known.get("model")):  # of real tasks, the one they were about in the run
            if any(known.get(name, value) != value for name, value in task.truth_facts().items()):
                return Key(None, "The truth was measured anew after the run: its answers were scored against another.")
            answer = task.oracle_answer(task.instance(seed))
        return Key({name: value for name, value in answer.items() if name not in NO_CONTENT})
