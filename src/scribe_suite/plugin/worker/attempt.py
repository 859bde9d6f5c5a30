"""One attempt, from the drawn instance to its record: what the fixtures do, without pytest's machinery around it."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, SupportsFloat

import pytest

from scribe_suite.errors import InfrastructureError, SuiteError, UnknownCauseError, cause_of
from scribe_suite.ledger.attempt_folder import AttemptFolder
from scribe_suite.ledger.outcomes import Outcome, infrastructure, rule_of
from scribe_suite.ledger.records import AttemptRecord, Times
from scribe_suite.notebook.config import NotebookStatus
from scribe_suite.paths import suite_root
from scribe_suite.plugin.collection import AttemptKey
from scribe_suite.plugin.option.replays import find_recording, same_answer
from scribe_suite.plugin.worker.submissions import SubmissionBox
from scribe_suite.plugin.worker.time_limit import OVERTIME_S, OverTimeError, stopped_after
from scribe_suite.providers.base import (
    NOT_ISOLATED,
    Activity,
    AttemptContext,
    AttemptFailedError,
    EndReason,
    Limits,
    Need,
    Provider,
    ProviderResult,
)
from scribe_suite.providers.registry import granted_needs
from scribe_suite.providers.replays import Recording
from scribe_suite.providers.result_check import checked_result, plain_text
from scribe_suite.providers.slots import Slots
from scribe_suite.sandbox.programs import Hidden
from scribe_suite.sandbox.tiers import IsolationTier
from scribe_suite.seeds import attempt_seed, derive_seed
from scribe_suite.tasks.answers import Answer
from scribe_suite.tasks.solutions import parse_percent, solution_text
from scribe_suite.tasks.task import Score, Task, TaskInstance

if TYPE_CHECKING:  # it takes half a second to import, which runs without an attempt need not wait for
    from scribe_suite.notebook.server import NotebookServer

_UNSCORED_END = {EndReason.TIMEOUT: Outcome.AGENT_TIMEOUT, EndReason.LIMIT: Outcome.LIMIT_REACHED}


@dataclass
class AttemptState:
    """What is known of a running attempt; becomes its record whatever happens.

    Attributes:
        nodeid: The test's id.
        key: Which attempt it is.
        task: Its task.
        pass_mark: The skill from which it is solved.
        run_seed: Of the run.
        fields: Parts of the record that are known already.
        times: Seconds by phase.
        outcome: Set once, by `conclude`.
        agent_failure: Cause of the failure that ended the agent after it had submitted, or None.
        recording: What is replayed, or None.
        phase: The phase that began last, a field of `Times`, and when, in Unix seconds.
        activity: What the provider tells of itself while it works.
        notebook_status: Tells what the notebook has done, or None before there is one.
    """

    nodeid: str
    key: AttemptKey
    task: Task
    pass_mark: float
    run_seed: int
    fields: dict[str, Any] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    folder: AttemptFolder | None = None
    outcome: str | None = None
    reason: str = ""
    agent_failure: str | None = None
    recording: Recording | None = None
    phase: tuple[str, float] | None = None
    activity: Activity = field(default_factory=Activity)
    notebook_status: Callable[[], NotebookStatus] | None = None

    @property
    def instance_seed(self) -> int:
        """The seed of this attempt's instance; the same for every provider."""
        return attempt_seed(self.run_seed, self.task.id, self.key.trial)

    def take_recording(self) -> Recording:
        """The attempt that this one replays.

        Raises:
            InfrastructureError: When there is none.
        """
        assert self.folder is not None
        self.recording = find_recording(
            self.key.provider.model, self.folder.path.parent, self.task.id, self.key.trial, self.instance_seed
        )
        return self.recording

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the time of a block to `phase`."""
        self.phase = (phase, time.time())
        start = time.perf_counter()
        try:
            yield
        finally:
            self.times[phase] = self.times.get(phase, 0.0) + time.perf_counter() - start

    def conclude(self, outcome: str, reason: str = "") -> None:
        """Fix the outcome. What is no longer true of it (a skill, metrics) goes."""
        self.outcome, self.reason = outcome, plain_text(reason)
        if not rule_of(outcome).scored:
            for name in ("metrics", "skill", "primary", "chance", "reference", "interval", "flags"):
                self.fields.pop(name, None)

    def conclude_from_exception(self, error: BaseException) -> None:
        """Fix the outcome for an exception that is not the agent's doing."""
        text = str(error) if isinstance(error, SuiteError) else f"{type(error).__name__}: {error}"
        self.conclude(infrastructure(cause_of(error)), text[:2000])

    def record(self) -> AttemptRecord:
        """The record as far as it is known."""
        return AttemptRecord(
            nodeid=self.nodeid,
            task=self.task.id,
            task_version=self.task.version,
            provider=str(self.key.provider),
            trial=self.key.trial,
            outcome=self.outcome or infrastructure("not_finished"),
            reason=self.reason,
            pass_mark=self.pass_mark,
            times=Times(**self.times),
            **self.fields,
        )


ATTEMPT_STATE = pytest.StashKey[AttemptState]()


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


class Agent:
    """A provider bound to the limits of this attempt."""

    def __init__(
        self,
        provider: Provider,
        model: str | None,
        limits: Limits,
        state: AttemptState,
        slots: Slots | None = None,
        isolation: IsolationTier = NOT_ISOLATED,
        hidden: Hidden | None = None,
    ) -> None:
        self._provider = provider
        self._model = model
        self._limits = limits
        self._state = state
        self._slots = slots
        self._isolation = isolation
        self._hidden = hidden or Hidden()

    def work(
        self, prompt: str, notebook: NotebookServer, submissions: SubmissionBox, instance: TaskInstance
    ) -> ProviderResult:
        """Let the provider work on `prompt` with `notebook`, once it has a place; its time begins then.

        Args:
            prompt: What it is asked.
            notebook: A started server.
            submissions: Where its answers arrive; takes none after the time limit.
            instance: Only for built-in providers that need more than an agent has.

        Raises:
            InfrastructureError: When something other than the agent failed.
        """
        with ExitStack() as stack:
            if self._slots is not None:
                with self._state.timed("queue_s"):
                    stack.enter_context(self._slots.place())
            return self._work(prompt, notebook, submissions, instance)

    def _work(
        self, prompt: str, notebook: NotebookServer, submissions: SubmissionBox, instance: TaskInstance
    ) -> ProviderResult:
        assert self._state.folder is not None
        wall_s = self._limits.wall_s
        context = AttemptContext(
            prompt=prompt,
            endpoint=notebook.endpoint,
            limits=self._limits,
            model=self._model,
            outputs=self._state.folder.outputs,
            material={need: _MATERIAL[need](instance, self._state) for need in granted_needs(self._provider)},
            slots=self._slots,
            isolation=self._isolation,
            hidden=self._hidden,
            tools_listed=lambda: notebook.status().tools_listed > 0,
            activity=self._state.activity,
        )
        self._state.notebook_status = notebook.status
        submissions.close_after(wall_s)
        begin = time.monotonic()
        try:
            with self._state.timed("agent_s"), stopped_after(wall_s + OVERTIME_S):
                result = checked_result(self._provider.attempt(context))
        except Exception as error:  # a program can make its provider stumble over what it tells of itself
            status = notebook.status()
            told = _told(error)
            self._state.fields |= spent(told)
            if submissions.answer is not None:
                # it counts whatever broke afterwards, or an agent could take it back by breaking things
                self._state.agent_failure = cause_of(error)
                return replace(told, end_reason=EndReason.FAILED, detail=plain_text(str(error))[:2000])
            if status.infrastructure_error is None:
                raise
            # what the provider stumbled over is only the consequence
            raise InfrastructureError(
                status.infrastructure_cause or "notebook_internal", status.infrastructure_error
            ) from error
        except OverTimeError:
            return ProviderResult(EndReason.TIMEOUT, f"It did not stop by itself at its limit of {wall_s:g} s.")
        if result.end_reason is EndReason.FINISHED and time.monotonic() - begin > wall_s:
            return replace(result, end_reason=EndReason.TIMEOUT, detail=f"It ended after its limit of {wall_s:g} s.")
        return result


def _told(error: Exception) -> ProviderResult:
    """What is known of a provider that failed, if it can be told."""
    result = error.result if isinstance(error, AttemptFailedError | UnknownCauseError) else None
    with suppress(InfrastructureError):
        return checked_result(result or ProviderResult())
    return ProviderResult()


_MATERIAL: dict[Need, Callable[[TaskInstance, AttemptState], Any]] = {
    "solution": lambda instance, _: parse_percent(solution_text(suite_root(), instance.task)),
    "oracle_answer": lambda instance, _: instance.task.oracle_answer(instance),
    "random_answer": lambda instance, state: instance.task.random_answer(
        instance, random.Random(derive_seed(state.instance_seed, "random", str(state.key.provider)))
    ),
    "recording": lambda _, state: state.take_recording(),
}


def finish_attempt(
    state: AttemptState, result: ProviderResult, status: NotebookStatus, box: SubmissionBox, instance: TaskInstance
) -> None:
    """Decide the outcome, score the answer, and put everything into `state`.

    Raises:
        InfrastructureError: When the notebook failed, or scoring raised.
    """
    state.fields |= {
        **spent(result),
        "submissions": box.count,
        "end_reason": str(result.end_reason),
        "cells": status.cells_run,
    }
    state.times["kernel_s"] = status.session_start_s
    cause, error = status.infrastructure_cause or "notebook_internal", status.infrastructure_error
    if error is not None and box.answer is None:
        raise InfrastructureError(cause, error)
    if state.recording is not None:
        replayed = None if box.answer is None else box.answer.model_dump(mode="json")
        state.fields["reproduced"] = same_answer(state.recording.answer, replayed)
    if box.answer is None:
        state.conclude(*_unscored(result, box.rejection or status.submission_error))
        return
    score = _score(state, instance, box.answer)
    state.fields |= {
        "metrics": {name: score.metrics[name] for name in state.task.metrics},  # in the tables' column order
        "primary": score.primary,
        "skill": score.skill,
        "chance": score.chance,
        "reference": score.reference,
        "interval": score.interval,
        # an answer that came in is scored whatever broke afterwards, or an agent could take it back by breaking things
        "flags": (*score.flags, *_broken(None if error is None else cause, state.agent_failure)),
        "confidence": box.answer.confidence,
        "nothing_found": box.answer.nothing_found,
    }
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


def spent(result: ProviderResult) -> dict[str, Any]:
    """The parts of a record that tell who worked and what it took."""
    return {
        "model": result.model,
        "agent_version": result.version,
        "turns": result.turns,
        "tool_calls": result.tool_calls,
        "tokens": dict(result.tokens),
        "cost_usd": result.cost_usd,
    }


def _broken(notebook: str | None, agent: str | None) -> Iterator[str]:
    """Flags for what broke after the answer was in; what an agent stumbles over then is only the consequence."""
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
        ValueError: For a value that is NaN, infinite or no number, or a name that the marker does not list.
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


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)
