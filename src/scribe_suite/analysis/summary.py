"""Notes about a run below its tables: how much of it was scored, and what was not.

If an attempt was repeated, as in a resumed run, one record is valid; see `in_effect`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scribe_suite.ledger.outcomes import Outcome, rule_of
from scribe_suite.ledger.records import AttemptRecord, in_effect

#: Skill of an attempt that counts but has no valid answer: the same as of the best answer that ignores the model.
UNSCORED_SKILL = 0.0


@dataclass(frozen=True)
class Coverage:
    """How many of the planned attempts were scored, or count without a score."""

    planned: int
    counted: int
    solved: int
    infrastructure: int

    def __str__(self) -> str:
        text = f"scored {self.counted}/{self.planned}, solved {self.solved}/{self.counted}"
        missing = self.planned - self.counted - self.infrastructure
        parts = [text]
        if self.infrastructure:
            parts.append(f"{self.infrastructure} failed by infrastructure")
        if missing:
            parts.append(f"{missing} not run")
        return ", ".join(parts)


def coverage(records: Iterable[AttemptRecord], planned: int) -> Coverage:
    """Count the attempts of a run."""
    outcomes = [record.outcome for record in in_effect(records)]
    return Coverage(
        planned=planned,
        counted=sum(rule_of(outcome).counts for outcome in outcomes),
        solved=sum(outcome == Outcome.SOLVED for outcome in outcomes),
        infrastructure=sum(not rule_of(outcome).counts for outcome in outcomes),
    )


def notes(records: Iterable[AttemptRecord]) -> list[str]:
    """Notes on what the tables can't show: attempts without a score, and flags."""
    return [line for record in in_effect(records) for line in _notes_of(record)]


def _notes_of(record: AttemptRecord) -> list[str]:
    name = f"{record.task} {record.provider} t{record.trial}"
    lines = [f"{name}: {flag}" for flag in record.flags]
    if not rule_of(record.outcome).scored:
        lines.insert(0, f"{name}: {record.outcome}" + (f" ({record.reason})" if record.reason else ""))
    return lines
