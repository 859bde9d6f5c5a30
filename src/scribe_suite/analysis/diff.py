"""What changed between two runs, test by test: for CI jobs that check whether a change made agents worse.

Tests are matched by node id. A regression is a drop in skill by more than the tolerance. Infrastructure failures say
nothing about an agent, so a new one is reported, but is neither a regression nor a success.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from scribe_suite.analysis.summary import UNSCORED_SKILL
from scribe_suite.ledger.outcomes import Outcome
from scribe_suite.ledger.records import AttemptRecord, in_effect
from scribe_suite.ledger.sources import RunInfo, read_records

EXIT_SAME, EXIT_REGRESSION, EXIT_INFRASTRUCTURE = 0, 1, 3
SKILL = "skill"


class Change(StrEnum):
    """How a test changed; the first that applies."""

    OTHER_VERSION = "other_version"
    NEWLY_INFRASTRUCTURE = "newly_infrastructure"
    SCORED_AGAIN = "scored_again"
    NEWLY_UNSOLVED = "newly_unsolved"
    NEWLY_SOLVED = "newly_solved"
    CHANGED = "changed"
    SAME = "same"


@dataclass(frozen=True)
class ValueChange:
    """A metric, or skill; None where the run has none."""

    name: str
    old: float | None
    new: float | None


@dataclass(frozen=True)
class TestChange:
    """One test in both runs.

    Attributes:
        values: Skill and metrics that changed by more than the tolerance.
        regression: Whether skill fell by more than the tolerance.
        reason: The reason of the new outcome, in one sentence; may be empty.
    """

    __test__ = False  # not a class of tests, whatever its name says to pytest

    nodeid: str
    change: Change
    old_outcome: str
    new_outcome: str
    old_skill: float | None
    new_skill: float | None
    values: tuple[ValueChange, ...]
    regression: bool
    reason: str


@dataclass(frozen=True)
class Diff:
    """The differences between two runs, test by test.

    Attributes:
        changes: Tests that are in both runs and differ, sorted by node id.
        same: How many are equal within the tolerance.
        removed: Tests that only the old run has; `added` are those that only the new run has.
        other_instances: How many tests used another instance than before.
    """

    old: str
    new: str
    tolerance: float
    changes: tuple[TestChange, ...]
    same: int
    removed: tuple[str, ...]
    added: tuple[str, ...]
    other_instances: int
    notes: tuple[str, ...] = field(default=())

    def of(self, change: Change) -> list[TestChange]:
        """The tests that changed in this way."""
        return [test for test in self.changes if test.change == change]

    @property
    def regressions(self) -> list[TestChange]:
        """Tests whose skill fell by more than the tolerance."""
        return [test for test in self.changes if test.regression]

    @property
    def exit_code(self) -> int:
        """1 with a regression; 3 without one when there are new infrastructure failures; else 0."""
        if self.regressions:
            return EXIT_REGRESSION
        return EXIT_INFRASTRUCTURE if self.of(Change.NEWLY_INFRASTRUCTURE) else EXIT_SAME


def diff_runs(old_path: Path, new_path: Path, tolerance: float) -> Diff:
    """Compare two runs test by test.

    Args:
        old_path: Ledger or report of the run to compare with.
        new_path: The path of the run in question.
        tolerance: Changes up to this size are ignored.

    Raises:
        ConfigurationError: When a file can't be read.
    """
    old_info, old_records = read_records(old_path)
    new_info, new_records = read_records(new_path)
    return diff(old_info, old_records, new_info, new_records, tolerance)


def diff(
    old_info: RunInfo,
    old_records: Sequence[AttemptRecord],
    new_info: RunInfo,
    new_records: Sequence[AttemptRecord],
    tolerance: float,
) -> Diff:
    """Compare the attempts of two runs; if a test is recorded twice, one record is valid, see `in_effect`."""
    old, new = ({record.nodeid: record for record in in_effect(records)} for records in (old_records, new_records))
    both = sorted(old.keys() & new.keys())
    changes = [_test_change(old[nodeid], new[nodeid], tolerance) for nodeid in both]
    other = sum(
        old[nodeid].instance_seed != new[nodeid].instance_seed
        for nodeid in both
        if None not in (old[nodeid].instance_seed, new[nodeid].instance_seed)
    )
    notes = [f"The {age} run ({info.run}) was cut off." for age, info in _ages(old_info, new_info) if not info.complete]
    if not both:
        notes.append("The runs have no test in common.")
    if other:
        notes.append(
            f"Tests on other instances than before, so that their changes include chance: {other}. Give both runs the "
            f"same --instance-seed."
        )
    return Diff(
        old=old_info.run,
        new=new_info.run,
        tolerance=tolerance,
        changes=tuple(change for change in changes if change.change != Change.SAME),
        same=sum(change.change == Change.SAME for change in changes),
        removed=tuple(sorted(old.keys() - new.keys())),
        added=tuple(sorted(new.keys() - old.keys())),
        other_instances=other,
        notes=tuple(notes),
    )


def _ages(old: RunInfo, new: RunInfo) -> tuple[tuple[str, RunInfo], tuple[str, RunInfo]]:
    return ("old", old), ("new", new)


def _test_change(old: AttemptRecord, new: AttemptRecord, tolerance: float) -> TestChange:
    comparable = old.counts and new.counts and old.task_version == new.task_version
    values = _value_changes(old, new, tolerance) if comparable else ()
    return TestChange(
        nodeid=new.nodeid,
        change=_change(old, new, values),
        old_outcome=old.outcome,
        new_outcome=new.outcome,
        old_skill=old.skill,
        new_skill=new.skill,
        values=values,
        regression=comparable and _skill(old) - _skill(new) > tolerance,
        reason=new.reason,
    )


def _change(old: AttemptRecord, new: AttemptRecord, values: tuple[ValueChange, ...]) -> Change:
    if old.task_version != new.task_version:
        return Change.OTHER_VERSION
    if not new.counts:
        return Change.NEWLY_INFRASTRUCTURE if old.counts else Change.SAME
    if not old.counts:
        return Change.SCORED_AGAIN
    solved = old.outcome == Outcome.SOLVED, new.outcome == Outcome.SOLVED
    if solved == (True, False):
        return Change.NEWLY_UNSOLVED
    if solved == (False, True):
        return Change.NEWLY_SOLVED
    return Change.CHANGED if values or old.outcome != new.outcome else Change.SAME


def _value_changes(old: AttemptRecord, new: AttemptRecord, tolerance: float) -> tuple[ValueChange, ...]:
    pairs = [(SKILL, old.skill, new.skill)]
    pairs += [(name, old.metrics.get(name), new.metrics.get(name)) for name in {**old.metrics, **new.metrics}]
    return tuple(
        ValueChange(name, before, after)
        for name, before, after in pairs
        if (before is None) != (after is None)
        or (before is not None and after is not None and abs(after - before) > tolerance)
    )


def _skill(record: AttemptRecord) -> float:
    return UNSCORED_SKILL if record.skill is None else record.skill
