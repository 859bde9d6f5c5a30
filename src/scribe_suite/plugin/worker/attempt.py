"""The end of an attempt: its outcome, its score, and the object that a test sees."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, SupportsFloat

import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.ledger.outcomes import Outcome
from scribe_suite.notebook.config import NotebookStatus
from scribe_suite.plugin.option.replays import same_answer
from scribe_suite.plugin.worker.attempt_state import AttemptState
from scribe_suite.plugin.worker.course import course
from scribe_suite.plugin.worker.grounding import check_claims
from scribe_suite.plugin.worker.laboratories import use_of
from scribe_suite.plugin.worker.record_draft import EffortPart, ScorePart
from scribe_suite.plugin.worker.submissions import SubmissionBox
from scribe_suite.providers.base import EndReason, ProviderResult
from scribe_suite.tasks.answers import Answer
from scribe_suite.tasks.arrays import AS_LISTS
from scribe_suite.tasks.task import Score, TaskInstance

if TYPE_CHECKING:
    from scribe_suite.laboratory.desk import Desk

_UNSCORED_END = {EndReason.TIMEOUT: Outcome.AGENT_TIMEOUT, EndReason.LIMIT: Outcome.LIMIT_REACHED}


@dataclass(frozen=True)
class Attempt:
    """A finished attempt, as a test sees it.

    Attributes:
        outcome: A key of the outcome table.
        reason: One sentence, or empty.
        metrics: The score's metrics; empty when there is no score.
        skill: Normalised score, or None.
        pass_mark: The skill from which it is solved.
        record_only: Whether the run only collects results.
    """

    outcome: str
    reason: str
    metrics: Mapping[str, float]
    skill: float | None
    pass_mark: float
    record_only: bool

    def require_solved(self) -> None:
        """Fail the test, in one line, unless the attempt is solved or the run only records."""
        if self.outcome == Outcome.SOLVED or self.record_only:
            return
        pytest.fail(f"{self.outcome}: {self.reason}", pytrace=False)


def finish_attempt(
    state: AttemptState,
    result: ProviderResult,
    status: NotebookStatus,
    box: SubmissionBox,
    instance: TaskInstance,
    desk: Desk | None = None,
) -> None:
    """Decide the outcome, score the answer, and store everything in `state`.

    Raises:
        InfrastructureError: When the notebook or the laboratory failed, or scoring raised.
    """
    draft = state.draft
    draft.effort = EffortPart.of(result)
    draft.submissions = box.count
    draft.first_answer_s, draft.last_answer_s = box.first_s, box.last_s
    draft.end_reason = str(result.end_reason)
    draft.cells, draft.actions = status.cells_run, status.actions
    state.times["kernel_s"] = status.session_start_s
    cause, error = status.infrastructure_cause or "notebook_internal", status.infrastructure_error
    if desk is not None:
        draft.laboratory = use_of(desk, instance.task.bound(instance))
        if error is None and (failure := desk.status().infrastructure_error) is not None:
            cause, error = "laboratory", failure
    if error is not None and box.answer is None:
        raise InfrastructureError(cause, error)
    if state.replay is not None:
        replayed = None if box.answer is None else box.answer.model_dump(mode="json", context=AS_LISTS)
        draft.reproduced = same_answer(state.replay.answer, replayed)
    if box.answer is None:
        state.conclude(*_unscored(result, box.rejection or status.submission_error))
        return
    score = _score(state, instance, box.answer)
    with state.timed("scoring_s"):
        submitted, missing = course(
            box.kept,
            score.skill,
            lambda raw: instance.task.score(instance, instance.answer_schema.parse(raw)).skill,
        )
    draft.score = ScorePart(
        metrics={name: score.metrics[name] for name in state.task.metrics},  # in the tables' column order
        primary=score.primary,
        skill=score.skill,
        chance=score.chance,
        reference=score.reference,
        interval=score.interval,
        # a received answer is scored whatever breaks afterwards; otherwise an agent could withdraw it by breaking
        # things
        flags=(*score.flags, *_broken(None if error is None else cause, state.agent_failure), *missing),
        submitted=submitted,
    )
    draft.confidence, draft.confidence_of = box.answer.confidence, "solved"
    draft.nothing_found = box.answer.says_nothing_found()
    draft.grounding = check_claims(state, box.answer)
    notes = " ".join(score.notes)
    if score.skill >= state.pass_mark:
        state.conclude(Outcome.SOLVED, notes)
    else:
        state.conclude(
            Outcome.UNSOLVED,
            f"skill {score.skill:.3f} is below the pass mark {state.pass_mark:g} "
            f"({score.primary} {score.metrics[score.primary]:.3f}, chance {score.chance:.3f}, "
            f"reference {score.reference:.3f}){'. ' + notes if notes else ''}",
        )


def _broken(notebook: str | None, agent: str | None) -> Iterator[str]:
    """Flags for what broke after the answer was received; later failures of the agent are only consequences."""
    if notebook is not None:
        yield f"notebook_failed:{notebook}"
    elif agent is not None:
        yield f"agent_failed:{agent}"


def _unscored(result: ProviderResult, rejection: str | None) -> tuple[Outcome, str]:
    if result.end_reason in _UNSCORED_END:
        return _UNSCORED_END[result.end_reason], result.detail
    if rejection is not None:
        return Outcome.INVALID_ANSWER, rejection
    return Outcome.NO_ANSWER, result.detail or "The agent finished without calling submit_answer."


def _score(state: AttemptState, instance: TaskInstance, answer: Answer) -> Score:
    try:
        with state.timed("scoring_s"):
            score = instance.task.score(instance, answer)
        if set(score.metrics) != set(state.task.metrics):
            raise ValueError(f"it gave {sorted(score.metrics)}, the task declares {sorted(state.task.metrics)}")
        return score
    except InfrastructureError:  # it knows its cause
        raise
    except Exception as error:
        raise InfrastructureError(
            "scoring_exception", f"The scorer of {state.task.id} raised {type(error).__name__}: {error}"
        ) from error


def plain_metrics(metrics: Mapping[str, SupportsFloat], allowed: tuple[str, ...] | None) -> dict[str, float]:
    """Metrics as finite builtin floats, so that every report format and xdist can carry them.

    Args:
        metrics: Name -> anything with a float value (numpy and torch scalars too).
        allowed: Names of the test's metrics marker, or None when it has none.

    Raises:
        ValueError: For a value that is NaN, infinite or not a number, or a name that the marker does not list.
    """
    plain: dict[str, float] = {}
    for name, value in metrics.items():
        if allowed is not None and name not in allowed:
            raise ValueError(f"the metric {name!r} is not in the test's metrics marker: add it, or record only those.")
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValueError(f"the metric {name!r} is {value!r}, which is not a number.") from None
        if not math.isfinite(number):
            raise ValueError(f"the metric {name!r} is {number}: record only finite numbers.")
        plain[str(name)] = number
    return plain
