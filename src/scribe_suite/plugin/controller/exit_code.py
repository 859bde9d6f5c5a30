"""The exit code of a run: pytest's own, unless the ledger requires another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from scribe_suite.exit_codes import EXIT_LOST_OR_INFRASTRUCTURE
from scribe_suite.ledger.outcomes import infrastructure, rule_of
from scribe_suite.ledger.records import AttemptRecord

#: Exit codes by which pytest judges the tests of this session; that of a resumed run is about the whole run.
_OF_TESTS = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
_LOST = tuple(map(infrastructure, ("lost", "worker_crashed")))


@dataclass(frozen=True)
class Ending:
    """How a session ended.

    Attributes:
        pytest_code: The exit code that pytest would use.
        stopped: Whether it was stopped before all tests had run.
        broken: Whether an attempt left no report, pytest itself failed, or a record could not be written.
        uncollected: Whether tests could not be collected.
        records: One for each attempt of the run.
        record_only: Whether tests pass regardless of what the agent did.
        resumed: Whether an earlier session began the run.
        left: Whether a resumed run had attempts left when this session began.
        missing: Whether planned attempts have no record.
    """

    pytest_code: int
    stopped: bool
    broken: bool
    uncollected: bool
    records: Sequence[AttemptRecord]
    record_only: bool
    resumed: bool
    left: bool
    missing: bool


def exit_code_of(ending: Ending) -> int | None:
    """The exit code, or None where pytest's own is right."""
    if ending.broken or any(record.outcome in _LOST for record in ending.records):
        return EXIT_LOST_OR_INFRASTRUCTURE
    if ending.uncollected and ending.pytest_code == pytest.ExitCode.TESTS_FAILED:
        return int(pytest.ExitCode.INTERRUPTED)  # as without workers: it says nothing about the agents
    if _only_infrastructure_failed(ending):
        return EXIT_LOST_OR_INFRASTRUCTURE
    if ending.resumed and not ending.stopped and ending.pytest_code in _OF_TESTS:
        return _of_resumed_run(ending)
    return None


def _only_infrastructure_failed(ending: Ending) -> bool:
    """Whether only infrastructure failed, so that the code hides no verdict on the agents."""
    failed = [record for record in ending.records if rule_of(record.outcome).test != "passed"]
    if ending.record_only:
        failed = [record for record in failed if not record.counts]
    return bool(failed) and not any(record.counts for record in failed)


def _of_resumed_run(ending: Ending) -> int:
    """0 where nothing was left to do, regardless of earlier results; else the code of a single session."""
    if not ending.left:
        return int(pytest.ExitCode.OK)
    if ending.missing:
        return EXIT_LOST_OR_INFRASTRUCTURE
    solved = ending.record_only or all(
        rule_of(record.outcome).test == "passed" for record in ending.records if record.counts
    )
    all_count = all(record.counts for record in ending.records)
    return int(pytest.ExitCode.OK if solved and all_count else pytest.ExitCode.TESTS_FAILED)
