"""A ledger arranged for pages: its attempts, which of them count, and their means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean

import numpy as np

from scribe_suite.analysis.columns import AttemptColumns, attempts_of
from scribe_suite.analysis.statistics import Grouped, Interval, bootstrap_interval, student_interval
from scribe_suite.analysis.summary import UNSCORED_SKILL, Coverage, coverage
from scribe_suite.ledger.ledger import Ledger
from scribe_suite.ledger.outcomes import Outcome, rule_of
from scribe_suite.ledger.records import AttemptRecord, RunHeader
from scribe_suite.ledger.sources import RecordedRun, RunInfo, planned_by_provider
from scribe_suite.text import by_last_number

_LONGEST_SLUG = 100


@dataclass(frozen=True)
class AttemptRef:
    """One attempt and its page.

    Attributes:
        record: From the ledger.
        slug: File name of its page, without the suffix.
        superseded: Whether a later record of the same test replaces it.
    """

    record: AttemptRecord
    slug: str
    superseded: bool

    @property
    def href(self) -> str:
        """Its page, relative to the report."""
        return f"attempts/{self.slug}.html"

    @property
    def tokens(self) -> int | None:
        """Its tokens; see `token_count`."""
        return token_count(self.record)

    @property
    def skill(self) -> float | None:
        """Its skill for means; None when the attempt is in no mean."""
        if not self.record.counts:
            return None
        return UNSCORED_SKILL if self.record.skill is None else self.record.skill


@dataclass(frozen=True)
class Cell:
    """One provider at one task.

    Attributes:
        attempts: The attempts that are not superseded.
    """

    attempts: tuple[AttemptRef, ...]

    @cached_property
    def skills(self) -> list[float]:
        """Skills of the attempts that count."""
        return [attempt.skill for attempt in self.attempts if attempt.skill is not None]

    @property
    def counted(self) -> int:
        """Attempts that count."""
        return len(self.skills)

    @property
    def solved(self) -> int:
        """Those of them that are solved."""
        return sum(attempt.record.outcome == Outcome.SOLVED for attempt in self.attempts)

    @property
    def mean(self) -> float | None:
        """Mean skill."""
        return fmean(self.skills) if self.skills else None

    @cached_property
    def interval(self) -> Interval | None:
        """Its interval, limited to the range of skills.

        For a single attempt, it is the scorer's interval of the primary metric, where the scorer samples, converted to
        skill.
        """
        if self.counted == 1:
            return scored_interval(next(attempt.record for attempt in self.attempts if attempt.record.counts))
        found = student_interval(np.array(self.skills))
        return None if found is None else (_limited(found[0]), _limited(found[1]))


@dataclass(frozen=True)
class ProviderView:
    """One provider over all tasks; means are over tasks, so that each task has the same weight."""

    name: str
    coverage: Coverage
    mean: float | None
    interval: Interval | None
    cost_usd: float | None
    seconds: float | None
    tokens: float | None


class RunView:
    """A run as the pages show it.

    Args:
        ledger: The run's ledger.

    Attributes:
        attempts: All attempts in the order of the ledger; `current` lacks those that were repeated.
        in_order: All attempts, by task, provider and trial.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.header: RunHeader = ledger.header
        self.end = ledger.end
        standing = {record.nodeid: record for record in ledger.attempts}
        slugs: set[str] = set()
        self.attempts = tuple(
            AttemptRef(record, _slug(record, slugs), superseded=standing[record.nodeid] is not record)
            for record in ledger.records
        )
        self.current = tuple(attempt for attempt in self.attempts if not attempt.superseded)
        self.tasks = sorted({attempt.record.task for attempt in self.attempts}, key=by_last_number)
        self.providers = sorted({attempt.record.provider for attempt in self.attempts})
        self.coverage = coverage([attempt.record for attempt in self.current], len(self.planned))
        self._by_task: dict[str, list[AttemptRef]] = {}
        for attempt in sorted(self.attempts, key=lambda one: (one.record.provider, one.record.trial)):
            self._by_task.setdefault(attempt.record.task, []).append(attempt)
        self.in_order = tuple(attempt for task in self.tasks for attempt in self._by_task[task])
        self._places = {attempt.slug: place for place, attempt in enumerate(self.in_order)}
        self._cells: dict[tuple[str, str], list[AttemptRef]] = {}
        for attempt in sorted(self.current, key=lambda one: one.record.trial):
            self._cells.setdefault((attempt.record.task, attempt.record.provider), []).append(attempt)

    @cached_property
    def columns(self) -> AttemptColumns:
        """The valid attempts, as columns for the comparison of runs."""
        info = RunInfo(
            Path(self.header.run),
            self.header.run,
            planned=planned_by_provider(self.header.planned),
            limits=self.header.limits,
        )
        return attempts_of([RecordedRun(info, [attempt.record for attempt in self.current])])

    @property
    def planned(self) -> tuple[str, ...]:
        """Node ids of planned attempts, and of those that were made without being planned."""
        return tuple(dict.fromkeys((*self.header.planned, *(a.record.nodeid for a in self.attempts))))

    @property
    def missing(self) -> tuple[str, ...]:
        """Planned attempts without a record."""
        have = {attempt.record.nodeid for attempt in self.attempts}
        return tuple(nodeid for nodeid in self.header.planned if nodeid not in have)

    @property
    def families(self) -> list[str]:
        """Families that have attempts."""
        return sorted({task.partition("/")[0] for task in self.tasks})

    def tasks_of(self, family: str) -> list[str]:
        """Tasks of a family."""
        return [task for task in self.tasks if task.partition("/")[0] == family]

    def attempts_at(self, task: str) -> list[AttemptRef]:
        """All attempts at a task, superseded ones too, by provider and trial."""
        return self._by_task.get(task, [])

    def neighbours(self, attempt: AttemptRef) -> tuple[AttemptRef | None, AttemptRef | None]:
        """The attempts before and after one in `in_order`, also at other tasks."""
        place = self._places[attempt.slug]
        before = self.in_order[place - 1] if place else None
        return before, self.in_order[place + 1] if place + 1 < len(self.in_order) else None

    def cell(self, task: str, provider: str) -> Cell:
        """One provider at one task."""
        return Cell(tuple(self._cells.get((task, provider), ())))

    def provider(self, name: str) -> ProviderView:
        """One provider over all tasks."""
        own = [attempt.record for attempt in self.current if attempt.record.provider == name]
        theirs = re.compile(rf"-{re.escape(name)}-t\d+\]$")
        planned = len(own) + sum(theirs.search(nodeid) is not None for nodeid in self.missing)
        skills = [cell.skills for task in self.tasks if (cell := self.cell(task, name)).skills]
        codes = np.repeat(np.arange(len(skills)), [len(group) for group in skills])
        return ProviderView(
            name=name,
            coverage=coverage(own, planned),
            mean=fmean(fmean(group) for group in skills) if skills else None,
            interval=bootstrap_interval(Grouped.of(np.array([skill for group in skills for skill in group]), codes)),
            cost_usd=total([record.cost_usd for record in own]),
            seconds=mean([record.times.agent_s for record in own if record.counts]),
            tokens=mean([token_count(record) for record in own if record.counts]),
        )


def token_count(record: AttemptRecord) -> int | None:
    """Tokens of all kinds; the ledger's kinds do not overlap. None when none were counted."""
    return sum(record.tokens.values()) if record.tokens else None


def mean(values: Sequence[float | None]) -> float | None:
    """Mean of what is known, or None when nothing is."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def total(values: Sequence[float | None]) -> float | None:
    """Sum of what is known, or None when nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def scored_interval(record: AttemptRecord) -> Interval | None:
    """The scorer's interval of the primary metric as skill, or None when it gave none."""
    if record.interval is None or record.chance is None or record.reference is None:
        return None
    scale = record.reference - record.chance
    if scale <= 0:
        return None
    low, high = record.interval
    return _limited((low - record.chance) / scale), _limited((high - record.chance) / scale)


def is_infrastructure(record: AttemptRecord) -> bool:
    """Whether something other than the agent failed."""
    return not rule_of(record.outcome).counts


def _limited(skill: float) -> float:
    return min(1.0, max(-1.0, skill))


def _slug(record: AttemptRecord, taken: set[str]) -> str:
    """A file name that no other attempt has, also where upper and lower case are the same."""
    stem = re.sub(r"[^A-Za-z0-9.-]+", "-", f"{record.task} {record.provider} t{record.trial}").strip(".-")
    stem = stem[-_LONGEST_SLUG:].strip(".-")
    slug, number = stem, 1
    while slug.casefold() in taken:
        number += 1
        slug = f"{stem}-{number}"
    taken.add(slug.casefold())
    return slug
