"""The state of an attempt while it is made; its record is made from this whatever happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from scribe_suite.errors import SuiteError, cause_of
from scribe_suite.ledger.attempt_folder import AttemptFolder
from scribe_suite.ledger.outcomes import infrastructure, rule_of
from scribe_suite.ledger.records import AttemptRecord, Times
from scribe_suite.notebook.config import NotebookStatus
from scribe_suite.plugin.attempt_keys import AttemptKey
from scribe_suite.plugin.option.replays import find_recorded, read_replay
from scribe_suite.plugin.worker.record_draft import RecordDraft, ScorePart
from scribe_suite.providers.base import Activity
from scribe_suite.providers.clock import AttemptClock
from scribe_suite.providers.replays import Replay
from scribe_suite.providers.result_check import plain_text
from scribe_suite.seeds import attempt_seed
from scribe_suite.tasks.task import Task


@dataclass
class AttemptState:
    """The state of a running attempt; it becomes the record whatever happens.

    Attributes:
        nodeid: The test's id.
        key: Which attempt it is.
        task: Its task.
        pass_mark: The skill from which it is solved.
        run_seed: The run's seed.
        draft: The parts of the record that are known so far.
        times: Seconds by phase.
        outcome: Set once, by `conclude`.
        agent_failure: Cause of the failure that ended the agent after it had submitted, or None.
        replay: The replay, or None.
        recorded: In a replay, the folder with the recorded ledger, and the record; else None.
        phase: The phase that began last (a field of `Times`), and its beginning in Unix seconds.
        activity: What the provider reports while it works.
        clock: The agent's time; it begins when the provider does.
        notebook_status: Reports what the notebook has done; None before there is one.
    """

    nodeid: str
    key: AttemptKey
    task: Task
    pass_mark: float
    run_seed: int
    draft: RecordDraft = field(default_factory=RecordDraft)
    times: dict[str, float] = field(default_factory=dict)
    folder: AttemptFolder | None = None
    outcome: str | None = None
    reason: str = ""
    agent_failure: str | None = None
    replay: Replay | None = None
    recorded: tuple[Path, AttemptRecord] | None = None
    phase: tuple[str, float] | None = None
    activity: Activity = field(default_factory=Activity)
    clock: AttemptClock = field(default_factory=AttemptClock)
    notebook_status: Callable[[], NotebookStatus] | None = None

    @property
    def instance_seed(self) -> int:
        """The seed of this attempt's instance; the same for every provider."""
        return attempt_seed(self.run_seed, self.task.question_id, self.key.trial)

    def take_replay(self) -> Replay:
        """Find the attempt that this one replays.

        Raises:
            InfrastructureError: When there is none.
        """
        assert self.folder is not None
        self.recorded = find_recorded(
            self.key.provider.model, self.folder.path.parent, self.task.id, self.key.trial, self.instance_seed
        )
        self.replay = read_replay(*self.recorded)
        return self.replay

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the time of a block to `phase`."""
        self.phase = (phase, time.time())
        start = time.perf_counter()
        try:
            yield
        finally:
            self.times[phase] = self.times.get(phase, 0.0) + time.perf_counter() - start

    def conclude(self, outcome: str, reason: str = "") -> None:
        """Set the outcome, and drop a score that does not belong to it."""
        self.outcome, self.reason = outcome, plain_text(reason)
        if not rule_of(outcome).scored:
            self.draft.score = ScorePart()

    def conclude_from_exception(self, error: BaseException) -> None:
        """Set the outcome for an exception that is not the agent's fault."""
        text = str(error) if isinstance(error, SuiteError) else f"{type(error).__name__}: {error}"
        self.conclude(infrastructure(cause_of(error)), text[:2000])

    def record(self) -> AttemptRecord:
        """The record, as far as it is known."""
        return AttemptRecord(
            nodeid=self.nodeid,
            task=self.task.id,
            task_version=self.task.version,
            level=self.task.level,
            access=self.task.access,
            provider=str(self.key.provider),
            trial=self.key.trial,
            outcome=self.outcome or infrastructure("not_finished"),
            reason=self.reason,
            pass_mark=self.pass_mark,
            times=Times(**self.times),
            **self.draft.fields(),
        )


ATTEMPT_STATE = pytest.StashKey[AttemptState]()
