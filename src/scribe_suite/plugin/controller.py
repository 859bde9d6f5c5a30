"""Controller side: the ledger, the exit code, and the table at the end of a run.

Workers may crash, hang up or be killed; what was planned is compared with what was reported, and an attempt that got
lost is written down as lost and makes the run fail.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from scribe_suite.errors import SuiteError
from scribe_suite.notebook.escapes import ESCAPES
from scribe_suite.notebook.probing import probe_isolation
from scribe_suite.notebook.recovery import recover_notebooks
from scribe_suite.notebook.tiers import IsolationTier
from scribe_suite.paths import suite_root
from scribe_suite.plugin.attempt import now
from scribe_suite.plugin.options import WORKER_KEY, Settings, worker_input
from scribe_suite.plugin.recording import INFRASTRUCTURE_MARK, PROPERTY
from scribe_suite.plugin.terminal import print_summary
from scribe_suite.results.ledger import LedgerWriter
from scribe_suite.results.lock import lock
from scribe_suite.results.outcomes import infrastructure, rule_of
from scribe_suite.results.records import AttemptRecord, RunEnd, RunHeader
from scribe_suite.results.summary import coverage
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.seeds import derive_seed
from scribe_suite.tasks.task import Task

EXIT_LOST_OR_INFRASTRUCTURE = 3
_ATTEMPT_ID = re.compile(r"\[(?P<task>[A-Za-z0-9_]+)-(?P<provider>.+)-t(?P<trial>\d+)\]$")
_DEFAULT_JSON_REPORT = ".report.json"


class RunController:
    """Collects records and writes them down; one per session, never in a worker."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._expected: dict[str, None] = {}
        self._reported: set[str] = set()
        self._crashed: dict[str, str] = {}
        self._internal_error = False
        self._unwritten: str | None = None
        self._writer: LedgerWriter | None = None
        self.planned: tuple[str, ...] = ()
        self.records: list[AttemptRecord] = []
        self._started = 0.0
        self.isolation = ""

    # -- before the first test -----------------------------------------------------------------------------------

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Share the run's seed and folder with a worker."""
        node.workerinput[WORKER_KEY] = worker_input(self._settings)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Without xdist: the items are here."""
        if not self._config.option.collectonly:
            self._expect([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:  # noqa: ARG002
        """With xdist: every worker tells what it collected; all tell the same."""
        self._expect(ids)

    def _expect(self, ids: Sequence[str]) -> None:
        self._expected.update(dict.fromkeys(ids))
        planned = tuple(nodeid for nodeid in self._expected if _attempt_of(nodeid) is not None)
        if planned and self._writer is None:
            self.planned = planned
            try:
                self._open_ledger()
            except SuiteError as error:
                raise pytest.UsageError(str(error)) from error

    def _open_ledger(self) -> None:
        settings = self._settings
        tier = probe_isolation(settings.isolation)
        self.isolation = tier.name
        self._started = time.time() - 1  # file systems keep time in their own way
        tasks = {task.id: task for task, _, _ in filter(None, map(_attempt_of, self.planned))}
        header = RunHeader(
            run=settings.run,
            started=now(),
            planned=self.planned,
            providers=tuple(map(str, settings.providers)),
            trials=settings.trials,
            run_seed=settings.run_seed,
            seed_mode=settings.seed_mode,
            isolation=tier.name,
            isolation_reasons=tuple(tier.reasons),
            isolation_gaps=tuple(tier.gaps),
            limits={"agent_timeout_s": settings.limits.wall_s, "cell_timeout_s": settings.limits.cell_s},
            pass_mark=settings.pass_mark,
            record_only=settings.record_only,
            lock=lock(suite_root(), tasks.values()),
        )
        self._writer = LedgerWriter(settings.results_dir / f"{settings.run}.jsonl", header)
        option = self._config.option
        if getattr(option, "json_report", False) and option.json_report_file == _DEFAULT_JSON_REPORT:
            # the plugin's default is one hidden file that every run overwrites; a run's report belongs to the run
            option.json_report_file = str(settings.results_dir / f"{settings.run}.report.json")
        self._announce(tier)

    def _announce(self, tier: IsolationTier) -> None:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None or self._writer is None:
            return
        reporter.ensure_newline()
        reporter.write_line(
            f"scribe-suite: {len(self.planned)} attempts, isolation {tier.name}, ledger {_shown(self._writer.path)}"
        )
        reasons = "; ".join(tier.reasons)
        if tier.name == "none":
            line = f"scribe-suite: kernels are NOT isolated ({reasons}): agents could read the answer keys."
            reporter.write_line(line, yellow=True)
        elif not tier.strict:
            gaps = ", ".join(ESCAPES[gap].what for gap in tier.gaps)
            line = (
                f"scribe-suite: kernels are isolated less well than they could be ({reasons}). Code in them can {gaps}."
            )
            reporter.write_line(line, yellow=True)

    # -- while tests run ------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write an attempt down as soon as its last report is in, before another plugin can stumble over it."""
        if report.when == "teardown":
            self._reported.add(report.nodeid)
            for name, value in report.user_properties:
                if name == PROPERTY and isinstance(value, str):
                    self._append(AttemptRecord.model_validate_json(value))
        elif report.when not in ("setup", "call"):  # xdist's report for a test whose worker died
            self._reported.add(report.nodeid)
            self._crashed[report.nodeid] = str(report.longrepr)
            if _attempt_of(report.nodeid) is not None:
                setattr(report, INFRASTRUCTURE_MARK, True)

    def pytest_internalerror(self) -> None:
        """Remember that the session is broken."""
        self._internal_error = True

    def _append(self, record: AttemptRecord) -> None:
        if self._writer is None:
            return
        seed = derive_seed(self._settings.run_seed, record.task, record.trial)
        record = record.model_copy(update={"instance_seed": seed})
        self.records.append(record)
        try:
            self._writer.append(record)
        except OSError as error:
            self._unwritten = f"The ledger {self._writer.path} can't be written any more ({error.strerror})."

    # -- after the last test --------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, None, None]:
        """Settle what was lost and the exit code, before any report is written."""
        if not self._config.option.collectonly:
            self._settle(session, int(exitstatus))
        yield

    def _settle(self, session: pytest.Session, exitstatus: int) -> None:
        stopped = bool(session.shouldstop or session.shouldfail) or exitstatus == pytest.ExitCode.INTERRUPTED
        lost = [] if stopped else [nodeid for nodeid in self._expected if nodeid not in self._reported]
        for nodeid, message in self._crashed.items():
            self._append_lost(nodeid, "worker_crashed", message)
        for nodeid in lost:
            self._append_lost(nodeid, "lost", "The worker that ran it reported nothing: see its output above.")
        if lost or self._internal_error or self._unwritten or self._any_lost() or self._only_infrastructure_failed():
            session.exitstatus = EXIT_LOST_OR_INFRASTRUCTURE
        if self._writer is not None and (lost or self._crashed):
            self._recover_notebooks()
        if self._writer is not None:
            recorded = {record.nodeid for record in self.records}
            end = RunEnd(
                finished=now(),
                exit_code=int(session.exitstatus),
                missing=tuple(nodeid for nodeid in self.planned if nodeid not in recorded),
            )
            with suppress(OSError):  # a disk that is full has been told of already
                self._writer.close(end)

    def _append_lost(self, nodeid: str, cause: str, reason: str) -> None:
        found = _attempt_of(nodeid)
        if found is not None:
            task, provider, trial = found
            self._append(
                AttemptRecord(
                    nodeid=nodeid,
                    task=task.id,
                    task_version=task.version,
                    provider=provider,
                    trial=trial,
                    outcome=infrastructure(cause),
                    reason=reason[:2000],
                )
            )

    def _recover_notebooks(self) -> None:
        """Bring the notebooks of attempts whose worker was killed up to date with their journals."""
        for folder in self._settings.results_dir.iterdir():
            with suppress(SuiteError, OSError):
                if folder.is_dir() and folder.stat().st_mtime >= self._started:
                    recover_notebooks(folder)

    def _any_lost(self) -> bool:
        return any(record.outcome in map(infrastructure, ("lost", "worker_crashed")) for record in self.records)

    def _only_infrastructure_failed(self) -> bool:
        """Whether nothing went wrong but infrastructure, so that no verdict on the agents is hidden by the code."""
        failed = [record for record in self.records if rule_of(record.outcome).test != "passed"]
        if self._settings.record_only:
            failed = [record for record in failed if not record.counts]
        return bool(failed) and not any(record.counts for record in failed)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the comparison."""
        if self._writer is not None:
            if self._unwritten is not None:
                terminalreporter.write_line(f"scribe-suite: {self._unwritten} Free some room.", red=True)
            report = getattr(self._config.option, "json_report", False) and self._config.option.json_report_file
            print_summary(
                terminalreporter,
                self.records,
                planned=len(self.planned),
                paths={
                    "ledger": _shown(self._writer.path),
                    "JSON report": _shown(Path(report)) if report else "not asked for (--json-report)",
                    "attempts": f"{_shown(self._settings.results_dir)}/<task>_<provider>_<timestamp>/",
                },
            )

    @pytest.hookimpl(optionalhook=True)
    def pytest_json_modifyreport(self, json_report: dict[str, Any]) -> None:
        """Add the run to pytest-json-report; its own environment block is always empty with pytest-metadata 3."""
        if self._writer is None:
            return
        _replace_non_finite(json_report)
        counts = coverage(self.records, len(self.planned))
        json_report["environment"] = lock(suite_root(), ())
        json_report["scribe_suite"] = {
            "run": self._settings.run,
            "ledger": str(self._writer.path),
            "isolation": self.isolation,
            "planned": counts.planned,
            "counted": counts.counted,
            "solved": counts.solved,
            "infrastructure": counts.infrastructure,
        }


def _attempt_of(nodeid: str) -> tuple[Task, str, int] | None:
    """The task, provider and trial that a node id names, or None for an ordinary test.

    The controller of an xdist run has ids only. A name that two families share is told apart by the path.
    """
    match = _ATTEMPT_ID.search(nodeid)
    if match is None:
        return None
    tasks = [task for task in default_registry().values() if task.name == match["task"]]
    if len(tasks) > 1:
        tasks = [task for task in tasks if task.family in nodeid.partition("::")[0]]
    return (tasks[0], match["provider"], int(match["trial"])) if len(tasks) == 1 else None


def _replace_non_finite(value: Any) -> Any:
    """Put None for NaN and infinities in a report, in place: tests may record them, and JSON has no word for them."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        value.update({key: _replace_non_finite(item) for key, item in value.items()})
    elif isinstance(value, list):
        value[:] = [_replace_non_finite(item) for item in value]
    return value


def _shown(path: Path) -> str:
    """A path as short as it can be from where the user is."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
