"""What a side did in laboratories, and how its skill differs between the arms of the same questions.

A gap between arms is that of one provider on the same instances. From weights to a laboratory, it is the value of
unrestricted computation. From a laboratory to a black box, it is the value of access to internals, which audits of
language models use to measure a tool gap (AuditBench).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scribe_suite.analysis import statistics
from scribe_suite.analysis.statistics import Estimate, Grouped
from scribe_suite.tasks.access import ACCESSES, question_of

if TYPE_CHECKING:
    from scribe_suite.analysis.columns import AttemptColumns
    from scribe_suite.analysis.statistics import Codes, Floats


@dataclass(frozen=True)
class LaboratoryMeans:
    """Means over the attempts in laboratories.

    Attributes:
        attempts: How many there are.
        experiments: Runs that were charged.
        share: The share of the budget that was spent.
        prompts: Spent, over the attempts whose budget counts prompts; None without any. `tokens` likewise.
        repeated: Runs that had been done before, and were free.
        unread: Experiments whose results were never used.
        refused: Requests that were refused.
        failed: Runs in which the laboratory failed.
    """

    attempts: int
    experiments: float
    share: float
    prompts: float | None
    tokens: float | None
    repeated: float
    unread: float
    refused: float
    failed: float


@dataclass(frozen=True)
class ArmGap:
    """The difference between two arms of the same questions, for one side.

    Attributes:
        more: The arm in which more is handed over; `less` the other one.
        pairs: Attempts at the same question, trial and instance in both.
        tasks: How many questions.
        skill_more: Mean skill of these attempts in the one arm; `skill_less` in the other.
        gap: The difference, with its interval.
    """

    more: str
    less: str
    pairs: int
    tasks: int
    skill_more: float
    skill_less: float
    gap: Estimate


def laboratory_means(uses: Mapping[str, Floats], rows: Codes) -> LaboratoryMeans | None:
    """Means over some attempts in laboratories; None when none of them had one.

    Args:
        uses: By the names in `columns.USES` and `columns.SPENT_IN`, per attempt; NaN where there was no laboratory, or
            one with another unit.
        rows: The rows of the attempts.
    """
    if not uses:
        return None
    here = rows[~np.isnan(uses["budget"][rows])]
    if not len(here):
        return None
    shares = uses["spent"][here] / np.maximum(uses["budget"][here], 1)
    return LaboratoryMeans(
        attempts=len(here),
        share=float(shares.mean()),
        prompts=_mean_of_known(uses, "spent_prompts", here),
        tokens=_mean_of_known(uses, "spent_tokens", here),
        **{name: float(uses[name][here].mean()) for name in ("experiments", "repeated", "unread", "refused", "failed")},
    )


def _mean_of_known(uses: Mapping[str, Floats], name: str, rows: Codes) -> float | None:
    values = uses[name][rows] if name in uses else np.zeros(0)
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def arm_gaps(attempts: AttemptColumns, skills: Floats, rows: Codes) -> tuple[ArmGap, ...]:
    """The gaps between every two arms that some attempts of one side have in common.

    Args:
        attempts: All attempts.
        skills: The skills of all attempts, 0 where one was not scored.
        rows: Those of the side that count.
    """
    arms = {attempts.accesses[attempts.tasks[code]] for code in np.unique(attempts.task[rows]).tolist()}
    if len(arms) < 2:
        return ()
    found: dict[str, dict[tuple[str, int, int], int]] = {access: {} for access in ACCESSES}
    for row in rows.tolist():
        task = attempts.tasks[attempts.task[row]]
        slot = (question_of(task), int(attempts.trial[row]), int(attempts.seed[row]))
        found[attempts.accesses[task]][slot] = row
    gaps = []
    for i, more in enumerate(ACCESSES):
        for less in ACCESSES[i + 1 :]:
            slots = sorted(found[more].keys() & found[less].keys())
            if not slots:
                continue
            questions = sorted({question for question, _, _ in slots})
            codes = np.array([questions.index(question) for question, _, _ in slots], np.int64)
            with_more, with_less = (skills[[found[access][slot] for slot in slots]] for access in (more, less))
            gaps.append(
                ArmGap(
                    more=more,
                    less=less,
                    pairs=len(slots),
                    tasks=len(questions),
                    skill_more=statistics.mean(Grouped.of(with_more, codes)) or 0.0,
                    skill_less=statistics.mean(Grouped.of(with_less, codes)) or 0.0,
                    gap=statistics.estimate(Grouped.of(with_more - with_less, codes)),
                )
            )
    return tuple(gaps)
