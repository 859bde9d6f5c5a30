"""What becomes of a submitted answer when its provider breaks, in whatever way."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace as Stub
from typing import Any

import pytest

from scribe_suite.errors import InfrastructureError, UnknownCauseError, cause_of
from scribe_suite.plugin.worker.bound_provider import BoundProvider
from scribe_suite.plugin.worker.record_draft import RecordDraft
from scribe_suite.providers.base import AttemptContext, AttemptFailedError, EndReason, Provider, ProviderResult

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


def bound_to(error: Exception, tmp_path: Any) -> tuple[BoundProvider, Any]:
    class Broken(Provider):
        name = "broken"

        def attempt(self, context: AttemptContext) -> ProviderResult:
            raise error

    state: Any = Stub(
        folder=Stub(outputs=tmp_path),
        timed=lambda _phase: nullcontext(),
        activity=None,
        draft=RecordDraft(),
        notebook_status=None,
        agent_failure=None,
    )
    limits: Any = Stub(wall_s=60.0)
    return BoundProvider(Broken(), None, limits, state), state


def work(error: Exception, answer: object, tmp_path: Any) -> tuple[ProviderResult, Any]:
    bound, state = bound_to(error, tmp_path)
    status = Stub(tools_listed=1, infrastructure_error=None, infrastructure_cause=None)
    notebook: Any = Stub(endpoint=None, status=lambda: status)
    box: Any = Stub(begin=lambda _seconds: None, answer=answer)
    unknown: Any = None
    return bound.work("prompt", notebook, box, unknown), state


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
