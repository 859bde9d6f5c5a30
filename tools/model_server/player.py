"""Selects the reply of a scenario to a request by the tool results it contains, so that retries change nothing."""

from __future__ import annotations

import re
from typing import Any

from .cli_tools import builtin_call
from .conversation import Conversation, Reply, ToolCall
from .scenario import RESULT, SESSION, Call, Scenario, Step
from .usage import Api

#: The text of a model without tools.
NO_TOOLS = "I have no tools, so there is nothing that I can do."
#: How many characters of a tool result a text quotes.
_QUOTED = 300


def play(scenario: Scenario, conversation: Conversation, api: Api) -> Reply:
    """The reply to `conversation`."""
    step, done = _position(scenario, len(conversation.results))
    if not conversation.offers and step.calls:
        return Reply(NO_TOOLS)
    if step.expect is not None and done == 0 and not re.search(step.expect, conversation.last_result):
        mismatch = f"The script expected {step.expect!r} in the last result, which was: {_quote(conversation)}"
        return Reply(mismatch, mismatch=mismatch)
    text = step.text.replace(RESULT, _quote(conversation))
    if step.builtin is not None:
        name, arguments = builtin_call(step.builtin, api, {offer.name for offer in conversation.offers})
        return Reply(text, (ToolCall(name, arguments, conversation.offer(name), raw=True),))
    return Reply(text, tuple(_call(call, conversation) for call in step.calls[done:]))


def _position(scenario: Scenario, results: int) -> tuple[Step, int]:
    """The step after that many results, and how many of its own calls are answered already."""
    for step in scenario.steps:
        if results < step.results or not step.results:
            return step, results if step.results else 0
        results -= step.results
    last = scenario.steps[-1]
    if scenario.repeat_last:
        return last, results % last.results
    return Step(text="The script is at its end."), 0


def _call(call: Call, conversation: Conversation) -> ToolCall:
    arguments: dict[str, Any] = {
        key: conversation.session_id if value == SESSION else value for key, value in call.arguments.items()
    }
    return ToolCall(call.tool, arguments, conversation.offer(call.tool))


def _quote(conversation: Conversation) -> str:
    return conversation.last_result[:_QUOTED] or "none"
