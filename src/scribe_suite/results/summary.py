"""The comparison tables of one run: tasks x providers, a column per metric, as in the original suite.

A cell is the mean over the attempts that were scored; an attempt that counts but has no valid answer has no metrics, so
it is told beside the table, and skill counts it as 0: not answering is no better than the best answer that ignores the
model, and no worse. Infrastructure failures are in nothing but the coverage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from rich.box import SIMPLE_HEAD
from rich.console import Console
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


@dataclass(frozen=True)
class Columns:
    """Columns that are there to be compared, such as those of one metric: titles, and cells by row."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def family_tables(records: Sequence[AttemptRecord], width: int = 120) -> list[Table]:
    """Tables by family: a row per task; for every metric, and for skill, a column per provider.

    Args:
        records: All attempts of a run.
        width: Characters a line may have. Columns that do not fit go into a further table; the columns of one metric
            stay together, because they are there to be compared.
    """
    return [table for family, group in _grouped(records) for table in _family_tables(family, group, width)]


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


def lay_out(title: str, first: str, names: Sequence[str], blocks: Sequence[Columns], width: int) -> list[Table]:
    """Tables of no more than `width` characters, where one can be: what does not fit goes into a further table.

    Args:
        title: Stands above each.
        first: Title of the first column, which is repeated in each.
        names: That column's cells.
        blocks: All others; a block stays together.
        width: Characters a line may have.
    """
    tables: list[Table] = []
    waiting: list[Columns] = []
    for block in blocks:
        if waiting and _width(_table(title, first, names, [*waiting, block])) > width:
            tables.append(_table(title, first, names, waiting))
            waiting = []
        waiting.append(block)
    return [*tables, _table(title, first, names, waiting)]


def _grouped(records: Sequence[AttemptRecord]) -> list[tuple[str, list[AttemptRecord]]]:
    families = sorted({record.family for record in records})
    return [(family, [record for record in records if record.family == family]) for family in families]


def _family_tables(family: str, records: Sequence[AttemptRecord], width: int) -> list[Table]:
    providers = sorted({record.provider for record in records})
    tasks = sorted({record.task for record in records})
    groups = {
        task: {p: [r for r in records if r.task == task and r.provider == p] for p in providers} for task in tasks
    }

    def columns(label: str, value: Callable[[Sequence[AttemptRecord]], float | None]) -> Columns:
        rows = tuple(tuple(_cell(value(groups[task][provider])) for provider in providers) for task in tasks)
        return Columns(tuple(f"{provider}\n{label}" for provider in providers), rows)

    # dict.fromkeys keeps the tasks' own column order
    metrics = dict.fromkeys(metric for record in records for metric in record.metrics)
    blocks = [columns(metric_label(metric), partial(_mean_metric, metric)) for metric in metrics]
    blocks.append(columns("Skill", mean_skill))
    names = [task.partition("/")[2] for task in tasks]
    return lay_out(family_view(family).title, "Task", names, blocks, width)


def _table(title: str, first: str, names: Sequence[str], blocks: Sequence[Columns]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column(first, no_wrap=True)
    for heading in (heading for block in blocks for heading in block.titles):
        table.add_column(heading, justify="right", no_wrap=True)
    for number, name in enumerate(names):
        table.add_row(name, *(cell for block in blocks for cell in block.rows[number]))
    return table


def _width(table: Table) -> int:
    return Console(width=10_000).measure(table).maximum


def _mean_metric(metric: str, records: Sequence[AttemptRecord]) -> float | None:
    values = [record.metrics[metric] for record in records if metric in record.metrics]
    return fmean(values) if values else None


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
