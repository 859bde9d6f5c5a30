"""Tables of confidences, abstentions and consistency, with their notes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from scribe_suite.analysis.calibration import BINS, FEW_ATTEMPTS, Bin
from scribe_suite.analysis.presentation.result_table import Column, Kind, ResultTable, Value, by_side, column
from scribe_suite.analysis.reliability import Abstention, Calibration, Consistency, Reliability
from scribe_suite.analysis.statistics import Estimate

_Part = TypeVar("_Part")


def reliability_tables(sides: Mapping[str, Reliability]) -> list[ResultTable]:
    """The tables that have something to show, with a row for each side."""
    labels = list(sides)
    told = [one.calibration for one in sides.values()]
    abstentions = [one.abstention for one in sides.values()]
    consistencies = [one.consistency for one in sides.values()]
    tables = []
    if any(one.told for one in told):
        tables += [_confidence(labels, told), _calibration(labels, told)]
    if any(one.nothing_found_count or one.no_answer_count for one in abstentions):
        tables.append(_abstention(labels, abstentions))
    if any(one.tasks for one in consistencies):
        tables.append(_consistency(labels, consistencies))
    return tables


def bins_table(sides: Mapping[str, Reliability]) -> ResultTable:
    """The numbers of a reliability diagram: a row for each bin, columns for each side."""
    places = [place / BINS for place in range(BINS)]
    found = {label: {one.low: one for one in side.calibration.bins} for label, side in sides.items()}

    def block(title: str, kind: Kind, value: Callable[[Bin], Value]) -> tuple[Column, ...]:
        return tuple(
            Column(title, kind, tuple(value(own[low]) if low in own else None for low in places), label)
            for label, own in found.items()
        )

    blocks = (
        block("Attempts", "count", lambda one: one.attempts),
        block("Mean confidence", "number", lambda one: one.confidence),
        block("Solved rate", "number", lambda one: one.solved_rate),
    )
    rows = tuple(f"{low:.1f} to {low + 1 / BINS:.1f}" for low in places)
    return ResultTable("bins", "Solved rate by confidence", "Confidence", rows, blocks)


def reliability_notes(reliability: Reliability) -> Iterator[str]:
    """What one side's tables can't show."""
    told, consistency = reliability.calibration, reliability.consistency
    if told.older:
        yield (
            f"{told.older} of {told.told} confidences are from before they were defined as the probability that the "
            "attempt is solved; their prompts asked how probable it is that the answer is right."
        )
    if told.solved_rate is not None and told.brier_skill.value is None:
        solved = "all" if told.solved_rate > 0.5 else "none"
        yield (
            f"{solved} of the {told.told} attempts that tell a confidence are solved, so Brier skill and risk-coverage "
            "score are undefined."
        )
    if 0 < told.told < FEW_ATTEMPTS:
        yield (
            f"{told.told} confidences are few for {BINS} bins, and chance alone makes a calibration error (ECE): "
            "compare it with the one that is expected of a calibrated agent."
        )
    if 0 < consistency.trajectory_tasks < consistency.tasks:
        yield (
            f"the trajectory consistency is of {consistency.trajectory_tasks} of {consistency.tasks} tasks: it needs "
            "two attempts whose actions are known."
        )


def _confidence(labels: Sequence[str], parts: Sequence[Calibration]) -> ResultTable:
    blocks = (
        (_plain(parts, "Told", "count", lambda one: one.told),),
        (
            _plain(parts, "Mean", "number", lambda one: one.confidence),
            _plain(parts, "Solved rate", "number", lambda one: one.solved_rate),
        ),
        _estimated(parts, "Mean minus rate", "difference", lambda one: one.difference),
        _estimated(parts, "Brier", "number", lambda one: one.brier),
        _estimated(parts, "Brier skill", "number", lambda one: one.brier_skill),
        _estimated(parts, "Risk-coverage", "number", lambda one: one.risk_coverage),
    )
    return by_side("confidence", "Confidence: the probability that an attempt is solved", labels, blocks)


def _calibration(labels: Sequence[str], parts: Sequence[Calibration]) -> ResultTable:
    blocks = (
        _estimated(parts, "ECE", "number", lambda one: one.error),
        (_plain(parts, "ECE, if calibrated", "number", lambda one: one.error_if_calibrated),),
        _estimated(parts, "Overconfidence", "number", lambda one: one.overconfidence),
        _estimated(parts, "Underconfidence", "number", lambda one: one.underconfidence),
    )
    return by_side("calibration", f"Calibration error of the confidence ({BINS} bins)", labels, blocks)


def _abstention(labels: Sequence[str], parts: Sequence[Abstention]) -> ResultTable:
    blocks = (
        _estimated(parts, "Nothing found", "number", lambda one: one.nothing_found),
        (
            _plain(parts, "Nothing found: answers", "count", lambda one: one.nothing_found_count),
            _plain(parts, "Of these solved", "count", lambda one: one.nothing_found_solved),
        ),
        _estimated(parts, "Solved with a finding", "number", lambda one: one.finding_solved),
        _estimated(parts, "No answer", "number", lambda one: one.no_answer),
    )
    return by_side("abstention", "Abstention (rates, means over tasks)", labels, blocks)


def _consistency(labels: Sequence[str], parts: Sequence[Consistency]) -> ResultTable:
    blocks = (
        (_plain(parts, "Tasks", "count", lambda one: one.tasks),),
        _estimated(parts, "Outcome", "number", lambda one: one.outcome),
        _estimated(parts, "Trajectory", "number", lambda one: one.trajectory),
    )
    return by_side("consistency", "Consistency of the attempts at a task", labels, blocks)


def _plain(parts: Sequence[_Part], title: str, kind: Kind, value: Callable[[_Part], Value]) -> Column:
    return column(title, kind, map(value, parts))


def _estimated(
    parts: Sequence[_Part], title: str, kind: Kind, estimate: Callable[[_Part], Estimate]
) -> tuple[Column, Column]:
    """A number and its interval, as one block."""
    found = [estimate(part) for part in parts]
    return (
        column(title, kind, (one.value for one in found)),
        column(f"{title}: 95 %", "interval", (one.interval for one in found)),
    )
