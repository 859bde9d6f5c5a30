"""Results about one side's confidences, abstentions and repeated attempts, computed from columns of attempts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scribe_suite.analysis import calibration, statistics
from scribe_suite.analysis.calibration import Bin, ToldConfidences
from scribe_suite.analysis.columns import AttemptColumns
from scribe_suite.analysis.consistency import outcome_consistency, trajectory_consistencies
from scribe_suite.analysis.statistics import Codes, Estimate, Floats, Grouped
from scribe_suite.ledger.outcomes import Outcome

#: Upper limit for the calls of a tool, since ledgers are untrusted.
_MOST_CALLS = 1e9


@dataclass(frozen=True)
class Calibration:
    """How well confidences agree with outcomes; see `scribe_suite.analysis.calibration` for the numbers.

    Attributes:
        told: Attempts that count and state a confidence.
        older: Those of them that stated how probable it is that the answer is right, as older prompts asked.
        confidence: Mean over tasks.
        solved_rate: The share solved of the same attempts, mean over tasks.
        error_if_calibrated: The expected calibration error of equally many attempts whose confidences are exactly
            right.
        bins: The bins of the reliability diagram that have attempts.
    """

    told: int
    older: int
    confidence: float | None
    solved_rate: float | None
    brier: Estimate
    brier_skill: Estimate
    error: Estimate
    error_if_calibrated: float | None
    difference: Estimate
    overconfidence: Estimate
    underconfidence: Estimate
    risk_coverage: Estimate
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class Abstention:
    """How often there was no answer, or the answer that nothing can be found.

    Attributes:
        nothing_found: Share of the valid answers that report nothing, mean over tasks.
        nothing_found_count: How many report nothing, and how many of these are solved.
        no_answer: Share, among the attempts that count, of those in which the agent finished without submitting.
        no_answer_count: How many there are.
        finding_solved: Share of the answers with a finding that are solved, mean over tasks.
    """

    nothing_found: Estimate
    nothing_found_count: int
    nothing_found_solved: int
    no_answer: Estimate
    no_answer_count: int
    finding_solved: Estimate


@dataclass(frozen=True)
class Consistency:
    """How similar several attempts at a task are; means over the tasks that have several.

    Attributes:
        tasks: The number of tasks with two attempts that count.
        outcome: See `consistency.outcome_consistency`.
        trajectory_tasks: The number of tasks with two attempts whose actions are known.
        trajectory: See `consistency.trajectory_consistency`.
    """

    tasks: int
    outcome: Estimate
    trajectory_tasks: int
    trajectory: Estimate


@dataclass(frozen=True)
class Reliability:
    """All of it, for one side."""

    calibration: Calibration
    abstention: Abstention
    consistency: Consistency


def reliability(attempts: AttemptColumns, rows: Codes) -> Reliability:
    """The reliability of some attempts of one side.

    Args:
        attempts: All attempts.
        rows: The attempts to use; all of them count.
    """
    return Reliability(
        calibration=_calibration(attempts, rows_with_confidence(attempts, rows)),
        abstention=_abstention(attempts, rows),
        consistency=_consistency(attempts, rows),
    )


def rows_with_confidence(attempts: AttemptColumns, rows: Codes) -> Codes:
    """Those of `rows` that state a confidence; a value that is not a probability counts as none."""
    told = attempts.confidence[rows]
    return rows[(told >= 0) & (told <= 1)]


def told_confidences(attempts: AttemptColumns, rows: Codes) -> ToldConfidences:
    """The confidences of `rows`, each of which has one."""
    return ToldConfidences.of(attempts.confidence[rows], attempts.solved[rows].astype(np.float64), attempts.task[rows])


def _calibration(attempts: AttemptColumns, rows: Codes) -> Calibration:
    told = told_confidences(attempts, rows)
    if not told.attempts:
        nothing = Estimate()
        return Calibration(0, 0, None, None, nothing, nothing, nothing, None, nothing, nothing, nothing, nothing, ())
    table, intervals = told.table, calibration.intervals(told)
    estimates = {
        name: Estimate(_number(measure(table)), intervals[name]) for name, measure in calibration.MEASURES.items()
    }
    return Calibration(
        told=told.attempts,
        older=int(attempts.older_confidence[rows].sum()),
        confidence=_number(calibration.mean_confidence(table)),
        solved_rate=_number(calibration.solved_rate(table)),
        brier=estimates["brier"],
        brier_skill=estimates["brier_skill"],
        error=estimates["calibration_error"],
        error_if_calibrated=_number(calibration.calibration_error(told.if_calibrated()).mean()),
        difference=estimates["confidence_minus_solved"],
        overconfidence=estimates["overconfidence"],
        underconfidence=estimates["underconfidence"],
        risk_coverage=estimates["risk_coverage"],
        bins=tuple(calibration.bins(told)),
    )


def _abstention(attempts: AttemptColumns, rows: Codes) -> Abstention:
    said = attempts.nothing_found[rows]
    empty, finding = rows[said == 1], rows[said == 0]
    silent = np.array([outcome == Outcome.NO_ANSWER for outcome in attempts.outcomes], bool)[attempts.outcome[rows]]
    answered = ~np.isnan(said)
    return Abstention(
        nothing_found=_rate(said[answered], attempts.task[rows[answered]]),
        nothing_found_count=len(empty),
        nothing_found_solved=int(attempts.solved[empty].sum()),
        no_answer=_rate(silent.astype(np.float64), attempts.task[rows]),
        no_answer_count=int(silent.sum()),
        finding_solved=_rate(attempts.solved[finding].astype(np.float64), attempts.task[finding]),
    )


def _consistency(attempts: AttemptColumns, rows: Codes) -> Consistency:
    solved = Grouped.of(attempts.solved[rows].astype(np.float64), attempts.task[rows])
    several = solved.sizes >= 2
    sums = np.bincount(solved.tasks, solved.values, solved.count)[several]
    outcome = Grouped.of(outcome_consistency(solved.sizes[several], sums), np.flatnonzero(several))
    columns = [column[rows] for column in attempts.actions.values()] or [np.zeros(len(rows))]
    counts = np.clip(np.nan_to_num(np.stack(columns, axis=1)), 0, _MOST_CALLS)
    trajectory = trajectory_consistencies(counts, attempts.task[rows])
    return Consistency(outcome.count, statistics.estimate(outcome), trajectory.count, statistics.estimate(trajectory))


def _rate(values: Floats, tasks: Codes) -> Estimate:
    grouped = Grouped.of(values, tasks)
    return Estimate(statistics.mean(grouped), statistics.rate_interval(grouped))


def _number(value: Floats) -> float | None:
    return None if np.isnan(value) else float(value)
