"""Controller side: tracks what is planned, reported and lost, and records it.

Workers may crash, hang or be killed, so planned attempts are compared with reported ones. A lost attempt is recorded as
lost and makes the run fail.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from scribe_suite.errors import SuiteError
from scribe_suite.ledger.records import AttemptRecord
from scribe_suite.measurements.measured_task import unavailable
from scribe_suite.plugin.attempt_keys import task_of
from scribe_suite.plugin.controller.announcements import Announcements, shown_path
from scribe_suite.plugin.controller.exit_code import Ending, exit_code_of
from scribe_suite.plugin.controller.json_report import name_report
from scribe_suite.plugin.controller.run_ledger import RunLedger
from scribe_suite.plugin.controller.run_lock import Surroundings, find_surroundings
from scribe_suite.plugin.controller.terminal import print_summary
from scribe_suite.plugin.option.reading import WORKER_KEY, worker_input
from scribe_suite.plugin.option.resume import RESUMED, ResumedRun, listed
from scribe_suite.plugin.record_transport import INFRASTRUCTURE_MARK, PROPERTY
from scribe_suite.plugin.settings import Settings
from scribe_suite.tasks.registry import default_registry


class RunController:
    """Follows the attempts of a session; one per session, never in a worker.

    Attributes:
        ledger: The run's ledger; not open in a session without attempts.
    """

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._announcements = Announcements(config)
        self._expected: dict[str, None] = {}
        self._reported: set[str] = set()
        self._crashed: dict[str, str] = {}
        self._failed_setups: dict[str, str] = {}
        self._internal_error = self._uncollected = False
        self._resumed = config.stash.get(RESUMED, None)
        self.ledger = RunLedger(settings, self._resumed)
        self._surroundings: Surroundings | None = None

    # -- before the first test -----------------------------------------------------------------------------------

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Pass the controller's decisions to a worker."""
        node.workerinput[WORKER_KEY] = worker_input(self._config, self._settings)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Refuse a resume whose parts would not be one run, before anything starts."""
        resumed = self._resumed
        if resumed is None or self._config.option.collectonly:
            return
        differences = resumed.differences(self._look_around(resumed.header.planned).lock)
        if differences and not resumed.anyway:
            raise pytest.UsageError(
                f"--resume: this would no longer be the run {resumed.header.run}; it differs in "
                f"{listed(differences)}. Restore the original state, start a new run, or add --resume-anyway, "
                "which writes the differences into the ledger."
            )

    def _look_around(self, planned: Sequence[str]) -> Surroundings:
        try:
            self._surroundings = find_surroundings(self._settings, planned)
        except SuiteError as error:
            raise pytest.UsageError(str(error)) from error
        return self._surroundings

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Without xdist: the items are here."""
        if not self._config.option.collectonly:
            self._expect([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:  # noqa: ARG002
        """With xdist: every worker reports what it collected, and all report the same."""
        self._expect(ids)

    def _expect(self, ids: Sequence[str]) -> None:
        self._expected.update(dict.fromkeys(ids))
        if self.ledger.is_open:
            return
        self._require_choices(ids)
        planned = self._attempts_of(self._expected)
        if not planned and self._resumed is None:
            return
        try:
            if self._resumed is None:
                self._begin(planned)
            else:
                self._resume(self._resumed, planned)
        except (SuiteError, OSError) as error:
            raise pytest.UsageError(str(error)) from error

    def _require_choices(self, ids: Sequence[str]) -> None:
        """Refuse levels and arms that no selected task has; a shard or the rest of a run need not have all of them."""
        settings = self._settings
        if (settings.levels.numbers or settings.arms.arms) and settings.shard is None and settings.only is None:
            chosen = [task for task in map(task_of, ids) if task is not None]
            levels = settings.levels.not_found(chosen, default_registry().facts.values())
            reason = levels or settings.arms.not_found(chosen)
            if reason is not None:
                raise pytest.UsageError(reason)

    def _attempts_of(self, nodeids: Iterable[str]) -> tuple[str, ...]:
        """The attempts among some tests that can be made on this machine; announces why others can't."""
        tasks = {nodeid: task for nodeid in nodeids if (task := task_of(nodeid)) is not None}
        reasons = {task: unavailable(task) for task in dict.fromkeys(tasks.values())}
        self._announcements.skipped(reasons, tasks.values())
        return tuple(nodeid for nodeid, task in tasks.items() if reasons[task] is None)

    def _begin(self, planned: tuple[str, ...]) -> None:
        surroundings = self._look_around(planned)
        self.ledger.begin(planned, surroundings)
        name_report(self._config, self._settings, f"{self._settings.run}.report.json")
        self._announcements.begun(len(planned), surroundings.tier, self.ledger.path)

    def _resume(self, resumed: ResumedRun, planned: tuple[str, ...]) -> None:
        surroundings = self._surroundings
        assert surroundings is not None  # since the session's start
        self.ledger.reopen(resumed, surroundings)
        number = len(resumed.ledger.resumes) + 1
        name_report(self._config, self._settings, f"{self._settings.run}.resume{number}.report.json")
        if not planned:
            self._announcements.say(resumed.nothing_to_do())
            if not resumed.pending and resumed.ledger.end is None:
                self.ledger.resume((), (), ())  # it was killed between its last attempt and its last line
            return
        differences = resumed.differences(surroundings.lock)
        machine = resumed.machine_differences(surroundings.lock)
        self.ledger.resume(planned, differences, machine)
        self._announcements.resumed(resumed, planned, differences, machine)
        self._announcements.begun(len(self._expected), surroundings.tier, self.ledger.path)

    # -- while tests run ------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record an attempt as soon as its last report arrives, before another plugin can fail on that report."""
        if report.when == "teardown":
            self._reported.add(report.nodeid)
            for name, value in report.user_properties:
                if name == PROPERTY and isinstance(value, str):
                    self.ledger.append(AttemptRecord.model_validate_json(value))
        elif report.when == "setup" and report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self._failed_setups[report.nodeid] = str(getattr(crash, "message", report.longrepr))
        elif report.when not in ("setup", "call"):  # xdist's report for a test whose worker died
            self._reported.add(report.nodeid)
            self._crashed[report.nodeid] = str(report.longrepr)
            if task_of(report.nodeid) is not None:
                setattr(report, INFRASTRUCTURE_MARK, True)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Remember that some tests can't be run."""
        self._uncollected |= report.failed

    def pytest_internalerror(self) -> None:
        """Remember that the session is broken."""
        self._internal_error = True

    # -- after the last test --------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, None, None]:
        """Determine lost attempts and the exit code, before any report is written."""
        if not self._config.option.collectonly:
            stopped = bool(session.shouldstop or session.shouldfail) or exitstatus == pytest.ExitCode.INTERRUPTED
            lost = [] if stopped else [nodeid for nodeid in self._expected if nodeid not in self._reported]
            self._write_lost(lost)
            code = exit_code_of(self._ending(int(exitstatus), stopped, lost))
            if code is not None:
                session.exitstatus = code
            self._close_ledger(int(session.exitstatus), recover=bool(lost or self._crashed))
        yield

    def _write_lost(self, lost: Sequence[str]) -> None:
        for nodeid, message in self._crashed.items():
            self.ledger.append_lost(nodeid, "worker_crashed", message)
        for nodeid in lost:
            self.ledger.append_lost(nodeid, "lost", "The worker that ran it reported nothing: see its output above.")
        for nodeid in self.ledger.missing():  # the task itself could not be loaded, so that there was no attempt yet
            if nodeid in self._failed_setups:
                self.ledger.append_lost(nodeid, "configuration", self._failed_setups[nodeid])

    def _ending(self, exitstatus: int, stopped: bool, lost: Sequence[str]) -> Ending:
        return Ending(
            pytest_code=exitstatus,
            stopped=stopped,
            broken=bool(lost or self._internal_error or self.ledger.unwritten),
            uncollected=self._uncollected,
            records=self.ledger.records,
            record_only=self._settings.record_only,
            resumed=self._resumed is not None,
            left=self._resumed is not None and bool(self._resumed.pending),
            missing=bool(self.ledger.missing()),
        )

    def _close_ledger(self, exit_code: int, recover: bool) -> None:
        resumed = self._resumed
        ended = resumed is not None and (bool(resumed.pending) or resumed.ledger.end is not None)
        if not self.ledger.is_open or (ended and not self._expected):
            return  # no attempts, or none in this session: there is nothing to add
        if recover or self._resumed is not None:
            self.ledger.recover_notebooks()
        self.ledger.close(exit_code)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the comparison."""
        if not self.ledger.is_open:
            return
        if self.ledger.unwritten is not None:
            terminalreporter.write_line(f"scribe-suite: {self.ledger.unwritten} Free some room.", red=True)
        report = getattr(self._config.option, "json_report", False) and self._config.option.json_report_file
        print_summary(
            terminalreporter,
            self.ledger.records,
            planned=len(self.ledger.planned),
            paths={
                "ledger": shown_path(self.ledger.path),
                "JSON report": shown_path(Path(report)) if report else "not asked for (--json-report)",
                "attempts": f"{shown_path(self._settings.results_dir)}/<task>_<provider>_<timestamp>/",
            },
        )
