"""The ledger of the run as this session writes it, and its records."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from scribe_suite.errors import SuiteError
from scribe_suite.ledger.attempt_ids import AttemptId
from scribe_suite.ledger.ledger import LedgerWriter
from scribe_suite.ledger.outcomes import infrastructure
from scribe_suite.ledger.records import AttemptRecord, RunEnd, RunHeader, RunResume, in_effect
from scribe_suite.measurements.selection import selected_model
from scribe_suite.models.device import current_device
from scribe_suite.notebook.recovery import recover_opened
from scribe_suite.plugin.attempt_keys import task_of
from scribe_suite.plugin.controller.run_lock import Surroundings
from scribe_suite.plugin.option.resume import ResumedRun
from scribe_suite.plugin.settings import Settings, limit_facts
from scribe_suite.sandbox.program_gaps import agent_gaps
from scribe_suite.seeds import attempt_seed
from scribe_suite.tasks.access import question_of
from scribe_suite.untrusted_files import UntrustedFolder

_LONGEST_REASON = 2000
#: Clocks of file systems differ: folders that are up to this many seconds older than a run may belong to it.
_CLOCK_S = 1


class RunLedger:
    """The run's attempts, on disk and in memory; opened when the first tests are known.

    Attributes:
        planned: Node ids of the attempts of the whole run; empty before it is opened.
        surroundings: The surroundings of the session's attempts; None before it is opened.
        unwritten: Why a record could not be written, as a sentence, or None.
    """

    def __init__(self, settings: Settings, resumed: ResumedRun | None) -> None:
        self._settings = settings
        self._writer: LedgerWriter | None = None
        self._records: list[AttemptRecord] = [] if resumed is None else list(resumed.ledger.records)
        self._started = 0.0
        self.planned: tuple[str, ...] = ()
        self.surroundings: Surroundings | None = None
        self.unwritten: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether attempts can be recorded."""
        return self._writer is not None

    @property
    def path(self) -> Path:
        """The path of the ledger."""
        return self._settings.ledger_path if self._writer is None else self._writer.path

    @property
    def records(self) -> list[AttemptRecord]:
        """The valid records of the whole run, see `in_effect`."""
        return in_effect(self._records)

    def begin(self, planned: tuple[str, ...], surroundings: Surroundings) -> None:
        """Create the file of a new run.

        Raises:
            ConfigurationError: When it can't be created.
        """
        self.planned, self.surroundings = planned, surroundings
        self._started = time.time() - _CLOCK_S
        self._writer = LedgerWriter(self._settings.ledger_path, self._header(surroundings))

    def reopen(self, resumed: ResumedRun, surroundings: Surroundings) -> None:
        """Take over the file of a resumed run, without changing it yet."""
        self.planned, self.surroundings = resumed.header.planned, surroundings
        self._started = resumed.header.started.timestamp() - _CLOCK_S
        self._writer = resumed.writer

    def resume(self, planned: tuple[str, ...], differences: Sequence[str], machine_differences: Sequence[str]) -> None:
        """Record that the run is resumed, and with which differences.

        Raises:
            OSError: When the disk is full.
        """
        assert self._writer is not None
        line = RunResume(
            resumed=datetime.now(UTC),
            planned=planned,
            differences=tuple(differences),
            machine_differences=tuple(machine_differences),
        )
        self._writer.resume(line)

    def append(self, record: AttemptRecord) -> None:
        """Record an attempt, with its seed; does nothing in a session without a ledger."""
        if self._writer is None:
            return
        seed = attempt_seed(self._settings.run_seed, question_of(record.task), record.trial)
        record = record.model_copy(update={"instance_seed": seed})
        self._records.append(record)
        try:
            self._writer.append(record)
        except OSError as error:
            self.unwritten = f"The ledger {self._writer.path} can't be written any more ({error.strerror})."

    def append_lost(self, nodeid: str, cause: str, reason: str) -> None:
        """Record an attempt whose worker left no record."""
        named, task = AttemptId.parse(nodeid), task_of(nodeid)
        if named is not None and task is not None:
            self.append(
                AttemptRecord(
                    nodeid=nodeid,
                    task=task.id,
                    task_version=task.version,
                    level=task.level,
                    access=task.access,
                    provider=named.provider,
                    trial=named.trial,
                    outcome=infrastructure(cause),
                    reason=reason[:_LONGEST_REASON],
                )
            )

    def missing(self) -> tuple[str, ...]:
        """Node ids of planned attempts without any record."""
        recorded = {record.nodeid for record in self._records}
        return tuple(nodeid for nodeid in self.planned if nodeid not in recorded)

    def recover_notebooks(self) -> None:
        """Update the notebooks of attempts whose worker was killed from their journals."""
        with UntrustedFolder(self._settings.results_dir) as results:
            for name in results.folders():
                with suppress(SuiteError, OSError):
                    if results.stat(name).st_mtime >= self._started:
                        with results.folder(name) as folder:
                            recover_opened(folder)

    def close(self, exit_code: int) -> None:
        """Write the last line."""
        assert self._writer is not None
        with suppress(OSError):  # a full disk has been reported already
            self._writer.close(RunEnd(finished=datetime.now(UTC), exit_code=exit_code, missing=self.missing()))

    def _header(self, surroundings: Surroundings) -> RunHeader:
        settings, tier = self._settings, surroundings.tier
        planted_only = settings.model_source == "planted"
        return RunHeader(
            run=settings.run,
            started=datetime.now(UTC),
            planned=self.planned,
            providers=tuple(map(str, settings.providers)),
            trials=settings.trials,
            run_seed=settings.run_seed,
            seed_mode=settings.seed_mode,
            levels=str(settings.levels) or None,
            arms=str(settings.arms) or None,
            model=None if planted_only and settings.model is None else selected_model(),
            shard=None if settings.shard is None else str(settings.shard),
            isolation=tier.name,
            isolation_asked=settings.isolation,
            isolation_reasons=tuple(tier.reasons),
            isolation_gaps=tuple(tier.gaps),
            agent_isolation=tier.name,
            agent_isolation_gaps=agent_gaps(tier),
            device=None if planted_only else current_device(),
            limits=limit_facts(settings.limits),
            pass_mark=settings.pass_mark,
            record_only=settings.record_only,
            lock=surroundings.lock,
        )
