"""Worker side: every attempt leaves exactly one record, whatever happens to its test."""

from __future__ import annotations

import os
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any

import pytest

from scribe_suite.errors import InfrastructureError, SuiteError, cause_of
from scribe_suite.ledger.outcomes import Outcome, rule_of
from scribe_suite.plugin.attempt_keys import attempt_key_of
from scribe_suite.plugin.collection import marked_pass_mark
from scribe_suite.plugin.record_transport import INFRASTRUCTURE_MARK, PROPERTY
from scribe_suite.plugin.settings import SETTINGS
from scribe_suite.plugin.worker.attempt_state import ATTEMPT_STATE, AttemptState
from scribe_suite.plugin.worker.record_draft import RecordDraft
from scribe_suite.providers.result_check import plain_text
from scribe_suite.tasks.registry import default_registry

_JUDGED_BY_TEST = (AssertionError, pytest.fail.Exception)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Open the attempt's state before any fixture can fail."""
    key = attempt_key_of(item)
    if key is None:
        return
    settings = item.config.stash[SETTINGS]
    task = default_registry()[key.task_id]
    if (unavailable := task.unavailable()) is not None:
        pytest.skip(unavailable)  # before there is a state: what can't be done here is no attempt
    marked = marked_pass_mark(item)
    item.stash[ATTEMPT_STATE] = AttemptState(
        nodeid=item.nodeid,
        key=key,
        task=task,
        pass_mark=next(mark for mark in (settings.pass_mark, marked, task.pass_mark) if mark is not None),
        run_seed=settings.run_seed,
        draft=RecordDraft(started=datetime.now(UTC), worker=os.environ.get("PYTEST_XDIST_WORKER")),
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Conclude the attempt from its test's result, and publish the record with the last report."""
    state = item.stash.get(ATTEMPT_STATE, None)
    if state is not None:
        _conclude(state, call)
        if call.when == "teardown":
            _publish(item, state)
    report = yield
    if state is not None and call.excinfo is not None and isinstance(call.excinfo.value, SuiteError):
        # the message says what to do; the traceback does not
        report.longrepr = plain_text(f"{state.outcome}: {call.excinfo.value}")
    if state is not None and call.when == "call" and report.failed and _is_infrastructure(state):
        setattr(report, INFRASTRUCTURE_MARK, True)  # reports carry extra attributes over xdist
    return report


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Show an infrastructure failure as an error in whichever phase it happened."""
    if getattr(report, INFRASTRUCTURE_MARK, False):
        return "error", "E", "ERROR"
    return None


@pytest.hookimpl(optionalhook=True)
def pytest_json_runtest_metadata(item: pytest.Item, call: pytest.CallInfo[Any]) -> dict[str, Any] | None:
    """Put the record into the test's metadata of pytest-json-report."""
    state = item.stash.get(ATTEMPT_STATE, None)
    if state is None or call.when != "teardown":
        return None
    return {PROPERTY: state.record().model_dump(mode="json")}


def _conclude(state: AttemptState, call: pytest.CallInfo[Any]) -> None:
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, pytest.skip.Exception):
        state.conclude_from_exception(RuntimeError(f"the test was skipped: {error}"))
    elif error is None:
        if call.when == "call" and state.outcome is None:  # a test that judges the agent all by itself
            state.conclude(Outcome.SOLVED)
    elif call.when == "call" and isinstance(error, _JUDGED_BY_TEST):
        if state.outcome in (None, Outcome.SOLVED):
            state.conclude(Outcome.UNSOLVED, f"the test's own check failed: {error}"[:500])
    elif call.when != "teardown" or state.outcome is None:
        state.conclude_from_exception(error)
    elif isinstance(error, InfrastructureError):
        if rule_of(state.outcome).scored:
            # a received answer counts whatever breaks afterwards; otherwise an agent could withdraw it
            state.draft.add_flags(f"notebook_failed:{cause_of(error)}")
        else:
            state.conclude_from_exception(error)


def _is_infrastructure(state: AttemptState) -> bool:
    return state.outcome is not None and not rule_of(state.outcome).counts


def _publish(item: pytest.Item, state: AttemptState) -> None:
    if state.folder is not None:
        try:
            state.folder.write_results(state.record())
        except OSError:  # a full disk must not cost the record, which is on its way to the ledger
            state.draft.add_flags("results_not_written")
        state.draft.artifacts = state.folder.artifacts()
        state.folder.close()
    item.user_properties.append((PROPERTY, state.record().model_dump_json()))
