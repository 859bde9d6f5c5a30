"""The comparison tables of one run: tasks x providers, a column per metric, as in the original suite.

A cell is the mean over the attempts that were scored; an attempt that counts but has no valid answer has no metrics, so
it is told beside the table, and skill counts it as 0: not answering is no better than the best answer that ignores the
model, and no worse. Infrastructure failures are in nothing but the coverage.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from rich.table import Table

from scribe_suite.results.families import family_view, metric_label
from scribe_suite.results.outcomes import Outcome, rule_of
from scribe_suite.results.records import AttemptRecord

UNSCORED_SKILL = 0.0
"""Skill of an attempt that counts but left no valid answer."""


@dataclass(frozen=True)
class Coverage:
    """How many of the planned attempts say something."""

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


def coverage(records: Sequence[AttemptRecord], planned: int) -> Coverage:
    """Count the attempts of a run."""
    counted = [record for record in records if record.counts]
    return Coverage(
        planned=planned,
        counted=len(counted),
        solved=sum(record.outcome == Outcome.SOLVED for record in counted),
        infrastructure=len(records) - len(counted),
    )


def family_tables(records: Sequence[AttemptRecord]) -> list[Table]:
    """One table per family: task rows; for every metric, and for skill, a column per provider."""
    return [_family_table(family, group) for family, group in _grouped(records)]


def notes(records: Iterable[AttemptRecord]) -> list[str]:
    """What the tables can't show: attempts without a score, and flags."""
    lines = []
    for record in records:
        name = f"{record.task} {record.provider} t{record.trial}"
        if not rule_of(record.outcome).scored:
            lines.append(f"{name}: {record.outcome}" + (f" ({record.reason})" if record.reason else ""))
        lines.extend(f"{name}: {flag}" for flag in record.flags)
    return lines


def mean_skill(records: Sequence[AttemptRecord]) -> float | None:
    """Mean skill over the attempts that count, or None when there is none."""
    skills = [UNSCORED_SKILL if record.skill is None else record.skill for record in records if record.counts]
    return fmean(skills) if skills else None


def _grouped(records: Sequence[AttemptRecord]) -> list[tuple[str, list[AttemptRecord]]]:
    families = sorted({record.family for record in records})
    return [(family, [record for record in records if record.family == family]) for family in families]


def _family_table(family: str, records: Sequence[AttemptRecord]) -> Table:
    providers = list(dict.fromkeys(record.provider for record in sorted(records, key=lambda r: (r.provider, r.trial))))
    tasks = sorted({record.task for record in records})
    # dict.fromkeys keeps each task's own column order
    metrics = list(dict.fromkeys(metric for record in records for metric in record.metrics))
    table = Table(title=family_view(family).title, title_justify="left")
    table.add_column("Task", no_wrap=True)
    for metric in metrics:
        for provider in providers:
            table.add_column(f"{provider} {metric_label(metric)}", justify="right")
    for provider in providers:
        table.add_column(f"{provider} Skill", justify="right")
    for task in tasks:
        cells = []
        by_provider = {p: [r for r in records if r.task == task and r.provider == p] for p in providers}
        for metric in metrics:
            for provider in providers:
                values = [record.metrics[metric] for record in by_provider[provider] if metric in record.metrics]
                cells.append(_cell(fmean(values) if values else None))
        cells.extend(_cell(mean_skill(by_provider[provider])) for provider in providers)
        table.add_row(task.partition("/")[2], *cells)
    return table


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
