"""Controller side: the ledger, the exit code, and the table at the end of a run.

Workers may crash, hang up or be killed; what was planned is compared with what was reported, and an attempt that got
lost is written down as lost and makes the run fail.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from scribe_suite.analysis.summary import coverage
from scribe_suite.errors import SuiteError
from scribe_suite.ledger.ledger import LedgerWriter
from scribe_suite.ledger.lock import without_seeds
from scribe_suite.ledger.outcomes import infrastructure, rule_of
from scribe_suite.ledger.records import AttemptRecord, RunEnd, RunHeader, RunResume, in_effect
from scribe_suite.measurements.measured_task import unavailable
from scribe_suite.models.device import current_device
from scribe_suite.notebook.recovery import recover_opened
from scribe_suite.plugin.collection import attempt_of
from scribe_suite.plugin.controller.run_lock import limit_facts, run_lock
from scribe_suite.plugin.controller.terminal import print_summary
from scribe_suite.plugin.option.options import WORKER_KEY, Settings, worker_input
from scribe_suite.plugin.option.resume import RESUMED, ResumedRun, listed
from scribe_suite.plugin.worker.attempt import now
from scribe_suite.plugin.worker.attempt_records import INFRASTRUCTURE_MARK, PROPERTY
from scribe_suite.sandbox.escape_table import ESCAPES
from scribe_suite.sandbox.probing import probe_isolation
from scribe_suite.sandbox.program_gaps import GAPS, agent_gaps
from scribe_suite.sandbox.tiers import IsolationTier
from scribe_suite.seeds import attempt_seed
from scribe_suite.untrusted_files import UntrustedFolder

EXIT_LOST_OR_INFRASTRUCTURE = 3
_OF_TESTS = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
"""Exit codes that tell of the tests that were run, where a resumed run's is to tell of the whole run."""
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
        self._resumed = config.stash.get(RESUMED, None)
        self._records: list[AttemptRecord] = [] if self._resumed is None else list(self._resumed.ledger.records)
        self._tier = IsolationTier("none")
        self._lock: dict[str, Any] = {}
        self.planned: tuple[str, ...] = ()
        self._started = 0.0

    @property
    def records(self) -> list[AttemptRecord]:
        """The records of the whole run that stand."""
        return in_effect(self._records)

    # -- before the first test -----------------------------------------------------------------------------------

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Share the run's seed and folder with a worker."""
        node.workerinput[WORKER_KEY] = worker_input(self._config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Of a resumed run: refuse what would not be one run, before anything starts."""
        resumed = self._resumed
        if resumed is None or self._config.option.collectonly:
            return
        self._look_around(resumed.header.planned)
        differences = resumed.differences(self._lock)
        if differences and not resumed.anyway:
            raise pytest.UsageError(
                f"--resume: this would not be the run {resumed.header.run} any more; it differs in "
                f"{listed(differences)}. Restore what the run was made with, start a new one, or add --resume-anyway, "
                "which writes the differences into the ledger."
            )

    def _look_around(self, planned: Sequence[str]) -> None:
        """Find out what this run is made with."""
        try:
            self._tier = probe_isolation(self._settings.isolation)
            self._lock = run_lock(self._settings, planned, self._tier.name)
        except SuiteError as error:
            raise pytest.UsageError(str(error)) from error

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
        if self._writer is not None:
            return
        planned = self._attempts_of(self._expected)
        if not planned and self._resumed is None:
            return
        try:
            if self._resumed is None:
                self._look_around(planned)
                self._open_ledger(planned)
            else:
                self._reopen_ledger(self._resumed, planned)
        except (SuiteError, OSError) as error:
            raise pytest.UsageError(str(error)) from error
        if planned:
            self._announce(self._tier)

    def _attempts_of(self, nodeids: Iterable[str]) -> tuple[str, ...]:
        """The attempts among some tests that can be made on this machine; says why others can't."""
        found = {nodeid: attempt[0] for nodeid in nodeids if (attempt := attempt_of(nodeid)) is not None}
        reasons = {task: unavailable(task) for task in dict.fromkeys(found.values())}
        for reason in dict.fromkeys(filter(None, reasons.values())):
            count = sum(reasons[task] == reason for task in found.values())
            self._tell(f"{count} {'test is' if count == 1 else 'tests are'} skipped: {reason}", warning=True)
        return tuple(nodeid for nodeid, task in found.items() if reasons[task] is None)

    def _open_ledger(self, planned: tuple[str, ...]) -> None:
        settings, tier = self._settings, self._tier
        self.planned = planned
        self._started = time.time() - 1  # file systems keep time in their own way
        header = RunHeader(
            run=settings.run,
            started=now(),
            planned=self.planned,
            providers=tuple(map(str, settings.providers)),
            trials=settings.trials,
            run_seed=settings.run_seed,
            seed_mode=settings.seed_mode,
            shard=None if settings.shard is None else str(settings.shard),
            isolation=tier.name,
            isolation_asked=settings.isolation,
            isolation_reasons=tuple(tier.reasons),
            isolation_gaps=tuple(tier.gaps),
            agent_isolation=tier.name,
            agent_isolation_gaps=agent_gaps(tier),
            device=None if settings.model_source == "planted" else current_device(),
            limits=limit_facts(settings.limits),
            pass_mark=settings.pass_mark,
            record_only=settings.record_only,
            lock=self._lock,
        )
        self._writer = LedgerWriter(settings.results_dir / f"{settings.run}.jsonl", header)
        self._name_report(f"{settings.run}.report.json")

    def _reopen_ledger(self, resumed: ResumedRun, planned: tuple[str, ...]) -> None:
        header = resumed.header
        self.planned = header.planned
        self._started = header.started.timestamp() - 1
        self._writer = resumed.writer
        self._name_report(f"{header.run}.resume{len(resumed.ledger.resumes) + 1}.report.json")
        if not planned:
            self._tell(resumed.nothing_to_do())
            return
        machine = tuple(resumed.machine_differences(self._lock))
        differences = tuple(resumed.differences(self._lock))
        line = RunResume(resumed=now(), planned=planned, differences=differences, machine_differences=machine)
        resumed.writer.resume(line)
        self._tell(f"{header.run} is resumed: {len(planned)} of its {len(self.planned)} attempts are made.")
        if len(planned) < len(resumed.pending):
            self._tell(
                f"{len(resumed.pending) - len(planned)} more are left that are not among the chosen tests.", True
            )
        if differences:
            self._tell(f"it is not made with what it was begun with: {listed(differences)}.", warning=True)
        if machine:
            self._tell(f"the machine is another, so times are not comparable: {listed(machine)}.", warning=True)

    def _name_report(self, name: str) -> None:
        """The plugin's default is one hidden file that every run overwrites; a run's report belongs to the run."""
        option = self._config.option
        if getattr(option, "json_report", False) and option.json_report_file == _DEFAULT_JSON_REPORT:
            option.json_report_file = str(self._settings.results_dir / name)

    def _tell(self, sentence: str, warning: bool = False) -> None:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.ensure_newline()
            if reporter._tw.width_of_current_line:  # of xdist's status, which the reporter does not know of
                reporter._tw.line()
            reporter.write_line(f"scribe-suite: {sentence}", yellow=warning)

    def _announce(self, tier: IsolationTier) -> None:
        if self._writer is None:
            return
        count = len(self._expected if self._resumed else self.planned)
        self._tell(f"{count} attempts, isolation {tier.name}, ledger {_shown(self._writer.path)}")
        self._tell("the tasks' code is being loaded; then the first attempts begin, and start their kernels' servers.")
        reasons = "; ".join(tier.reasons)
        if tier.name == "none":
            self._tell(f"kernels are NOT isolated ({reasons}): agents could read the answer keys.", warning=True)
        elif not tier.strict:
            gaps = ", ".join(ESCAPES[gap].what for gap in tier.gaps)
            self._tell(
                f"kernels are isolated less well than they could be ({reasons}). Code in them can {gaps}.", warning=True
            )

        if not tier.own_files:
            open_ways = ", ".join(GAPS[gap].what for gap in agent_gaps(tier))
            self._tell(f"agents' programs (CLIs and command:) can {open_ways}.", warning=True)

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
            if attempt_of(report.nodeid) is not None:
                setattr(report, INFRASTRUCTURE_MARK, True)

    def pytest_internalerror(self) -> None:
        """Remember that the session is broken."""
        self._internal_error = True

    def _append(self, record: AttemptRecord) -> None:
        if self._writer is None:
            return
        seed = attempt_seed(self._settings.run_seed, record.task, record.trial)
        record = record.model_copy(update={"instance_seed": seed})
        self._records.append(record)
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
        elif self._resumed is not None and not stopped and exitstatus in _OF_TESTS:
            session.exitstatus = self._exit_code_of_run()
        if self._resumed is not None and not self._expected:
            return  # nothing was run, so there is nothing to add
        if self._writer is not None and (lost or self._crashed or self._resumed):
            self._recover_notebooks()
        if self._writer is not None:
            end = RunEnd(finished=now(), exit_code=int(session.exitstatus), missing=self._missing())
            with suppress(OSError):  # a disk that is full has been told of already
                self._writer.close(end)

    def _missing(self) -> tuple[str, ...]:
        """Node ids of planned attempts without any record."""
        recorded = {record.nodeid for record in self._records}
        return tuple(nodeid for nodeid in self.planned if nodeid not in recorded)

    def _exit_code_of_run(self) -> int:
        """The exit code of a resumed run: 0 where nothing was left to do, whatever the agents did before."""
        assert self._resumed is not None
        if not self._resumed.pending:
            return int(pytest.ExitCode.OK)
        if self._missing():
            return EXIT_LOST_OR_INFRASTRUCTURE
        solved = self._settings.record_only or all(
            rule_of(record.outcome).test == "passed" for record in self.records if record.counts
        )
        failed_by_infrastructure = not all(record.counts for record in self.records)
        return int(pytest.ExitCode.OK if solved and not failed_by_infrastructure else pytest.ExitCode.TESTS_FAILED)

    def _append_lost(self, nodeid: str, cause: str, reason: str) -> None:
        found = attempt_of(nodeid)
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
        with UntrustedFolder(self._settings.results_dir) as results:
            for name in results.folders():
                with suppress(SuiteError, OSError):
                    if results.stat(name).st_mtime >= self._started:
                        with results.folder(name) as folder:
                            recover_opened(folder)

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
        json_report["environment"] = without_seeds(self._lock)
        json_report["scribe_suite"] = {
            "run": self._settings.run,
            "ledger": str(self._writer.path),
            "isolation": self._tier.name,
            "planned": counts.planned,
            "counted": counts.counted,
            "solved": counts.solved,
            "infrastructure": counts.infrastructure,
        }


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
