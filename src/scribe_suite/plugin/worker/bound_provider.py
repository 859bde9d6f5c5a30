"""Runs the provider of one attempt: it gets a slot, the prompt and the notebook, and is stopped at its limits."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from scribe_suite.errors import InfrastructureError, UnknownCauseError, cause_of
from scribe_suite.paths import suite_root
from scribe_suite.plugin.worker.attempt_state import AttemptState
from scribe_suite.plugin.worker.record_draft import EffortPart
from scribe_suite.plugin.worker.submissions import SubmissionBox
from scribe_suite.plugin.worker.time_limit import OVERTIME_S, OverTimeError, stopped_after
from scribe_suite.providers.base import (
    NOT_ISOLATED,
    AttemptContext,
    AttemptFailedError,
    EndReason,
    Limits,
    Need,
    Provider,
    ProviderResult,
)
from scribe_suite.providers.clock import AttemptClock
from scribe_suite.providers.registry import costs_money, granted_needs
from scribe_suite.providers.result_check import checked_result, plain_text
from scribe_suite.providers.slots import Slots
from scribe_suite.providers.sweep_budget import Amounts, SweepBudget
from scribe_suite.sandbox.programs import HiddenPaths
from scribe_suite.sandbox.tiers import IsolationTier
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.solutions import parse_percent, solution_text
from scribe_suite.tasks.task import TaskInstance

if TYPE_CHECKING:  # it takes half a second to import, which runs without an attempt need not wait for
    from scribe_suite.notebook.server import NotebookServer


class BoundProvider:
    """A provider bound to one attempt, with its limits, its slot, and what its programs may see."""

    def __init__(
        self,
        provider: Provider,
        model: str | None,
        limits: Limits,
        state: AttemptState,
        slots: Slots | None = None,
        isolation: IsolationTier = NOT_ISOLATED,
        hidden: HiddenPaths | None = None,
        budget: SweepBudget | None = None,
    ) -> None:
        self._provider = provider
        self._model = model
        self._limits = limits
        self._state = state
        self._slots = slots
        self._isolation = isolation
        self._hidden = hidden or HiddenPaths()
        self._budget = budget

    def work(
        self, prompt: str, notebook: NotebookServer, submissions: SubmissionBox, instance: TaskInstance
    ) -> ProviderResult:
        """Let the provider work on `prompt` with `notebook` once it has a slot; its time begins then.

        Args:
            prompt: The prompt.
            notebook: A started server.
            submissions: Receives its answers; none is accepted after the time limit.
            instance: Only for built-in providers that need more than an agent has.

        Raises:
            InfrastructureError: When something other than the agent failed.
        """
        with ExitStack() as stack:
            if self._slots is not None:
                with self._state.timed("queue_s"):
                    stack.enter_context(self._slots.place())
            if self._budget is None:
                return self._work(prompt, notebook, submissions, instance)
            charge = stack.enter_context(self._budget.attempt(self._most()))
            try:
                result = self._work(prompt, notebook, submissions, instance)
                charge.usd = result.cost_usd
                return result
            except Exception as error:
                charge.usd = _result_of(error).cost_usd
                raise

    def _most(self) -> Amounts:
        """The most that the attempt may use."""
        usd = self._limits.cost_usd if costs_money(self._provider) else None
        return Amounts(attempts=1, hours=self._limits.wall_s / 3600, usd=usd or 0.0)

    def _work(
        self, prompt: str, notebook: NotebookServer, submissions: SubmissionBox, instance: TaskInstance
    ) -> ProviderResult:
        assert self._state.folder is not None
        wall_s, clock = self._limits.wall_s, self._state.clock
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
            tools_seen=lambda: _tools_seen(notebook),
            activity=self._state.activity,
        )
        self._state.notebook_status = notebook.status
        clock.begin()
        submissions.begin(wall_s, clock)
        try:
            with self._timed(clock), stopped_after(wall_s + OVERTIME_S, clock):
                result = checked_result(self._provider.attempt(context))
        except Exception as error:  # a program can make its provider stumble over what it reports
            status = notebook.status()
            known = _result_of(error)
            self._state.draft.effort = EffortPart.of(known)
            if submissions.answer is not None:
                # it counts whatever broke afterwards; otherwise an agent could withdraw it by breaking things
                self._state.agent_failure = cause_of(error)
                return replace(known, end_reason=EndReason.FAILED, detail=plain_text(str(error))[:2000])
            if status.infrastructure_error is None:
                raise
            # the provider's failure is only the consequence
            raise InfrastructureError(
                status.infrastructure_cause or "notebook_internal", status.infrastructure_error
            ) from error
        except OverTimeError:
            return ProviderResult(EndReason.TIMEOUT, f"It did not stop by itself at its limit of {wall_s:g} s.")
        if submissions.answer is not None:
            self._state.agent_failure = result.failure
        if result.end_reason is EndReason.FINISHED and clock.worked_s > wall_s:
            return replace(result, end_reason=EndReason.TIMEOUT, detail=f"It ended after its limit of {wall_s:g} s.")
        return result

    @contextmanager
    def _timed(self, clock: AttemptClock) -> Iterator[None]:
        """Add the time of the block to the agent's, without the pauses of its clock, which are noted beside it."""
        try:
            with self._state.timed("agent_s"):
                yield
        finally:
            if (paused := clock.paused_s) > 0:
                self._state.times["agent_s"] -= paused
                self._state.times["paused_s"] = paused


def _tools_seen(notebook: NotebookServer) -> bool:
    """Whether an agent has seen the tools; one that already knows their names need not ask for the list."""
    status = notebook.status()
    return status.tools_listed + status.tool_calls > 0


def _result_of(error: Exception) -> ProviderResult:
    """The result of a provider that failed, as far as it is known."""
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
    "replay": lambda _, state: state.take_replay(),
    "clock": lambda _, state: state.clock,
}
