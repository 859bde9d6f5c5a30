"""What an agent's words may do to a reason: nothing but stand in it."""

from __future__ import annotations

from typing import Any

import pytest

from scribe_suite.ledger.outcomes import Outcome
from scribe_suite.plugin.worker.attempt import Attempt
from scribe_suite.plugin.worker.attempt_state import AttemptState


@pytest.mark.parametrize("said", ["\x1b[2Jgone", "\x1b\x1b[mcgone", "\x9b2Jgone", "\x1b]0;title\x07gone"])
def test_a_reason_has_no_terminal_codes(said):
    unknown: Any = None
    state = AttemptState("id", unknown, unknown, 0.5, 0)
    state.conclude(Outcome.INVALID_ANSWER, said)
    assert state.reason.endswith("gone")
    attempt = Attempt(Outcome.INVALID_ANSWER, state.reason, {}, None, 0.5, record_only=False)
    with pytest.raises(pytest.fail.Exception) as failure:
        attempt.require_solved()
    assert str(failure.value).isprintable()


def test_a_failure_of_the_infrastructure_quotes_no_terminal_codes():
    unknown: Any = None
    state = AttemptState("id", unknown, unknown, 0.5, 0)
    state.conclude_from_exception(ValueError("\x1b[31mred\x1b[0m\x07"))
    assert state.reason == "ValueError: red"
