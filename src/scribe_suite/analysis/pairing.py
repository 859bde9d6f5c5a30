"""Determines which sides are compared, and which of their attempts form pairs.

A side is a provider in a run. Attempts belong together when they are about the same task, trial and instance. Sides
that share no instance are paired by task and trial: the difference is still unbiased, and its interval includes the
variance between instances.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np

from scribe_suite.analysis.columns import AttemptColumns, Bools
from scribe_suite.errors import ConfigurationError

if TYPE_CHECKING:
    from scribe_suite.analysis.statistics import Codes

PairedBy = Literal["instance", "task and trial", "nothing"]
_SHOWN_VERSIONS = 5


@dataclass(frozen=True)
class Side:
    """A provider in a run.

    Attributes:
        label: The provider's name, with the run's number when several runs have the provider.
        run: Position in `AttemptColumns.runs`.
    """

    label: str
    provider: str
    run: int
    planned: int
    rows: Codes


@dataclass(frozen=True)
class Pairs:
    """The pairs of attempts of two sides.

    Attributes:
        left: Rows of the left side's attempts; the partner is at the same position in `right`.
        infrastructure: Pairs left out because of an infrastructure failure on one side.
        alone: Attempts that count and have no partner.
    """

    left: Codes
    right: Codes
    paired_by: PairedBy
    infrastructure: int
    alone: int


class Keys:
    """Numbers for (task, trial, instance) and for (task, trial), the same for all attempts that share them."""

    def __init__(self, attempts: AttemptColumns) -> None:
        self.instance = _numbered(attempts.task, attempts.trial, attempts.seed)
        self.slot = _numbered(attempts.task, attempts.trial)


def sides_of(attempts: AttemptColumns) -> list[Side]:
    """All sides, sorted by provider and run, including those that were planned and have no attempts."""
    planned = Counter({(name, run): n for run, info in enumerate(attempts.runs) for name, n in info.planned.items()})
    combined = attempts.provider * len(attempts.runs) + attempts.run
    order = np.argsort(combined, kind="stable")
    codes, starts = np.unique(combined[order], return_index=True)
    found: dict[tuple[str, int], Codes] = {}
    # without attempts, split still returns one part
    for code, rows in zip(codes.tolist(), np.split(order, starts[1:]), strict=False):
        provider, run = divmod(code, len(attempts.runs))
        found[attempts.providers[provider], run] = rows
    nothing = np.zeros(0, np.int64)
    keys = sorted({*found, *planned}, key=lambda key: (key[0], key[1]))
    often = Counter(provider for provider, _ in keys)
    return [
        Side(
            label=f"{provider}#{run + 1}" if often[provider] > 1 else provider,
            provider=provider,
            run=run,
            planned=max(planned[provider, run], len(rows)),
            rows=rows,
        )
        for provider, run in keys
        for rows in (found.get((provider, run), nothing),)
    ]


def pairs_to_compare(sides: list[Side]) -> list[tuple[Side, Side]]:
    """Pairs of sides, (minuend, subtrahend): of one provider, the later run minus the earlier.

    Two providers in two runs are left out where one run has both, because that comparison is better.
    """
    has = {(side.provider, side.run) for side in sides}
    chosen = []
    for first, second in combinations(sides, 2):
        if first.provider == second.provider:
            chosen.append((second, first))
        elif first.run == second.run or not {(first.provider, second.run), (second.provider, first.run)} & has:
            chosen.append((first, second))
    return chosen


def pairs_with_earlier(sides: list[Side], run: int) -> list[tuple[Side, Side]]:
    """Pairs of a side of one run with a side of the other runs, (of `run`, of another).

    A provider is compared with itself. If none of this run's providers is in another run, each is compared with each.
    """
    new = [side for side in sides if side.run == run]
    old = [side for side in sides if side.run != run]
    return [(a, b) for a in new for b in old if a.provider == b.provider] or [(a, b) for a in new for b in old]


def pair(keys: Keys, counts: Bools, left: Side, right: Side) -> Pairs:
    """Pair the attempts of two sides."""
    paired_by: PairedBy = "nothing"
    i = j = np.zeros(0, np.int64)
    for name, numbers in (("instance", keys.instance), ("task and trial", keys.slot)):
        _, i, j = np.intersect1d(numbers[left.rows], numbers[right.rows], assume_unique=True, return_indices=True)
        if len(i):
            paired_by = "instance" if name == "instance" else "task and trial"
            break
    rows = left.rows[i], right.rows[j]
    kept = counts[rows[0]] & counts[rows[1]]
    counting = int(counts[left.rows].sum() + counts[right.rows].sum())
    with_partner = int(counts[rows[0]].sum() + counts[rows[1]].sum())
    return Pairs(rows[0][kept], rows[1][kept], paired_by, int((~kept).sum()), counting - with_partner)


def require_equal_versions(attempts: AttemptColumns) -> None:
    """Refuse runs that were made with different versions of a task.

    Raises:
        ConfigurationError: With the tasks, their versions and the files.
    """
    lines = version_differences(attempts)
    if lines:
        more = f" and {len(lines) - _SHOWN_VERSIONS} more tasks" if len(lines) > _SHOWN_VERSIONS else ""
        raise ConfigurationError(
            f"The runs have different versions of {', '.join(lines[:_SHOWN_VERSIONS])}{more}: run one of them again, "
            "or give --allow-different-versions to compare them nevertheless."
        )


def version_differences(attempts: AttemptColumns) -> list[str]:
    """Tasks that were run in several versions, with versions and files."""
    distinct = np.unique(np.stack([attempts.task, attempts.version, attempts.run]), axis=1).T
    versions: dict[int, dict[int, list[str]]] = {}
    for task, version, run in distinct.tolist():
        versions.setdefault(task, {}).setdefault(version, []).append(attempts.runs[run].path.name)
    return [
        attempts.tasks[task]
        + " ("
        + ", ".join(f"{version} in {' and '.join(files)}" for version, files in sorted(found.items()))
        + ")"
        for task, found in versions.items()
        if len(found) > 1
    ]


def _numbered(*columns: Codes) -> Codes:
    """The same number for equal rows; the numbers follow the lexicographic order of the columns."""
    length = len(columns[0])
    order = np.lexsort(columns[::-1])
    changes = np.zeros(length, np.int64)
    if length:
        changes[1:] = np.any([column[order][1:] != column[order][:-1] for column in columns], axis=0)
    numbers = np.empty(length, np.int64)
    numbers[order] = np.cumsum(changes)
    return numbers
