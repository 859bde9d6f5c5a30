"""What becomes of a submitted answer when its provider breaks, in whatever way."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace as Stub
from typing import Any

import pytest

from scribe_suite.errors import InfrastructureError, UnknownCauseError, cause_of
from scribe_suite.plugin.worker.attempt_state import AttemptState
from scribe_suite.plugin.worker.bound_provider import BoundProvider
from scribe_suite.plugin.worker.record_draft import RecordDraft
from scribe_suite.providers.base import AttemptContext, AttemptFailedError, EndReason, Limits, Provider, ProviderResult
from scribe_suite.providers.clock import AttemptClock

FAILED = ProviderResult(EndReason.FAILED)
BREAKS = [
    InfrastructureError("network", "gone"),
    AttemptFailedError("cli_crashed", "crashed", FAILED),
    AttemptFailedError("cli_crashed", "crashed", ProviderResult(EndReason.FAILED, cost_usd=float("inf"))),
    AttemptFailedError("cli_crashed", "crashed", ProviderResult(EndReason.FAILED, tokens={"input": 10**400})),
    UnknownCauseError("The quota is used up."),
    ValueError("Exceeds the limit for integer string conversion"),
    OverflowError("int too large to convert to float"),
    KeyError("x"),
]


def bound_to(error: Exception | ProviderResult, tmp_path: Any) -> tuple[BoundProvider, Any]:
    class Broken(Provider):
        name = "broken"

        def attempt(self, context: AttemptContext) -> ProviderResult:
            self.seen = context.tools_seen()
            if isinstance(error, ProviderResult):
                return error
            raise error

    state: Any = Stub(
        folder=Stub(outputs=tmp_path),
        timed=lambda _phase: nullcontext(),
        activity=None,
        draft=RecordDraft(),
        notebook_status=None,
        agent_failure=None,
        clock=AttemptClock(),
        times={},
    )
    limits: Any = Stub(wall_s=60.0)
    return BoundProvider(Broken(), None, limits, state), state


def work(
    error: Exception | ProviderResult, answer: object, tmp_path: Any, listed: int = 1, called: int = 0
) -> tuple[ProviderResult, Any]:
    bound, state = bound_to(error, tmp_path)
    status = Stub(tools_listed=listed, tool_calls=called, infrastructure_error=None, infrastructure_cause=None)
    notebook: Any = Stub(endpoint=None, status=lambda: status)
    box: Any = Stub(begin=lambda _seconds, _clock: None, answer=answer)
    unknown: Any = None
    result = bound.work("prompt", notebook, box, unknown)
    state.seen = bound._provider.seen
    return result, state


@pytest.mark.parametrize(
    "error", BREAKS, ids=[f"{number} {type(error).__name__}" for number, error in enumerate(BREAKS)]
)
def test_an_answer_that_came_in_counts_however_the_provider_breaks(error, tmp_path):
    result, state = work(error, "an answer", tmp_path)
    assert result.end_reason is EndReason.FAILED
    assert state.agent_failure == cause_of(error)


@pytest.mark.parametrize(
    "error", BREAKS, ids=[f"{number} {type(error).__name__}" for number, error in enumerate(BREAKS)]
)
def test_without_one_it_is_the_provider_s_failure(error, tmp_path):
    with pytest.raises(type(error)):
        work(error, None, tmp_path)


def test_an_agent_that_broke_off_is_flagged_when_its_answer_counts(tmp_path):
    broke_off = ProviderResult(EndReason.FAILED, "exit code 3", failure="command_broke_off")
    assert work(broke_off, "an answer", tmp_path)[1].agent_failure == "command_broke_off"
    result, state = work(broke_off, None, tmp_path)
    assert (result.failure, state.agent_failure) == ("command_broke_off", None)


@pytest.mark.parametrize("failure", ["network", "made_up", ""])
def test_a_result_names_no_failure_that_does_not_count(failure, tmp_path):
    with pytest.raises(InfrastructureError, match="not a cause that counts") as caught:
        work(ProviderResult(EndReason.FAILED, failure=failure), None, tmp_path)
    assert caught.value.cause == "bad_transcript"


@pytest.mark.parametrize(("listed", "called", "seen"), [(0, 0, False), (1, 0, True), (0, 1, True)])
def test_who_calls_a_tool_knows_the_tools_without_asking_for_them(listed, called, seen, tmp_path):
    assert work(ProviderResult(), None, tmp_path, listed, called)[1].seen is seen


def test_pauses_are_no_part_of_the_agent_s_time(tmp_path):
    now = [0.0]

    class Resting(Provider):
        name = "resting"
        needs = frozenset({"clock"})
        __module__ = "scribe_suite.providers.builtin.resting"

        def attempt(self, context: AttemptContext) -> ProviderResult:
            clock = context.material["clock"]
            now[0] += 10
            clock.pause()
            now[0] += 500
            clock.resume()
            now[0] += 20
            return ProviderResult()

    state = AttemptState("id", None, None, 0.9, 1, clock=AttemptClock(lambda: now[0]))
    state.folder = Stub(outputs=tmp_path)
    state.times["agent_s"] = 530.0  # what `timed` will have measured
    box: Any = Stub(begin=lambda _seconds, _clock: None, answer=None)
    notebook: Any = Stub(endpoint=None, status=None)
    result = BoundProvider(Resting(), None, Limits(60.0, 5.0), state).work("prompt", notebook, box, None)
    assert result.end_reason is EndReason.FINISHED
    assert state.times["paused_s"] == 500.0
    assert state.times["agent_s"] == pytest.approx(30.0, abs=1.0)
