"""The agent that ``inspect eval`` runs for an attempt: Inspect's own `react` loop, with the notebook as its only tool.

It runs in Inspect's process and environment, so it imports nothing of this package. `InspectAdapter` copies it to the
home of the attempt, with the job beside it. What happens is told on stdout while it happens, as one JSON object a line;
`InspectAdapter.read` knows the types:

``start``       version of Inspect
``connected``   number of the notebook's tools
``model``       one answer of the model: model, text, calls, stop_reason, usage, and an error where it failed
``tool``        the result of a call: id, output, is_error
``retry``       HTTP status for which a request is repeated
``failed``      type, message and HTTP status of the exception that ended the agent, and its part
``end``         the limit of Inspect's that ended it, or null
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inspect_ai import Task, __version__, task
from inspect_ai.agent import AgentState, react
from inspect_ai.dataset import Sample
from inspect_ai.event import ModelEvent, ToolEvent
from inspect_ai.hooks import Hooks, ModelRetry, SampleEnd, SampleEvent, hooks
from inspect_ai.model import ModelUsage
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.tool import mcp_connection, mcp_server_stdio
from inspect_ai.util import LimitExceededError

#: The job, beside this file: ``prompt``, ``command``, ``arguments`` and ``server``.
JOB = "job.json"
#: Attributes of services' exceptions that hold an HTTP status.
_STATUS = ("status_code", "code", "status", "http_status")


def say(kind: str, **event: Any) -> None:
    """Write one event; whole lines only, since several tasks write."""
    os.write(1, (json.dumps({"type": kind, **event}) + "\n").encode("utf-8", "replace"))


@hooks(name="scribe_events", description="Tells the harness of Scribe Task Suite what happens.")
class Events(Hooks):  # type: ignore[misc]
    """Tells what happens."""

    def __init__(self) -> None:
        self._told: set[str | None] = set()

    async def on_sample_event(self, data: SampleEvent) -> None:
        """An answer of the model, or a result of a tool, once: Inspect gives an event again when it adds to it."""
        event = data.event
        if event.uuid in self._told:
            return
        self._told.add(event.uuid)
        if isinstance(event, ModelEvent):
            say("model", **_answer(event))
        elif isinstance(event, ToolEvent):
            output = event.error.message if event.error is not None else _text(event.result)
            say("tool", id=event.id, output=output, is_error=event.error is not None)

    async def on_model_retry(self, data: ModelRetry) -> None:
        """A request that is repeated."""
        say("retry", status=data.status_code, exception=data.exception_type)

    async def on_sample_end(self, data: SampleEnd) -> None:
        """The end, after all other events."""
        limit = data.sample.limit
        say("end", limit=None if limit is None else limit.type)


@solver  # type: ignore[untyped-decorator]
def notebook_agent(command: str, arguments: list[str], server: str) -> Solver:
    """The agent.

    Args:
        command: Program that connects to the notebook.
        arguments: Its arguments.
        server: Name of the notebook's MCP server.
    """

    async def solve(state: TaskState, generate: Generate) -> TaskState:  # noqa: ARG001 -- Inspect's signature
        notebook = mcp_server_stdio(name=server, command=command, args=arguments)
        part = "notebook"
        try:
            async with mcp_connection([notebook]):
                tools = await notebook.tools()
                say("connected", tools=len(tools))
                part = "agent"
                # no prompt and no submit tool of its own: every agent of the suite gets the same prompt, and submits
                # with the notebook's tool
                agent = react(prompt=None, tools=[notebook], submit=False)
                ended = await agent(AgentState(messages=state.messages))
            state.messages, state.output = ended.messages, ended.output
        except LimitExceededError:
            raise
        except Exception as error:
            say("failed", part=part, **_failure(error))
            raise
        return state

    return solve


@task  # type: ignore[untyped-decorator]
def attempt() -> Task:
    """One attempt: the prompt is the only sample, and the harness scores it."""
    job = json.loads(Path(__file__).with_name(JOB).read_text())
    say("start", version=__version__)
    return Task(
        dataset=[Sample(input=job["prompt"])],
        solver=notebook_agent(job["command"], job["arguments"], job["server"]),
    )


def _answer(event: ModelEvent) -> dict[str, Any]:
    output = event.output
    message = output.choices[0].message if output.choices else None
    calls = (message.tool_calls or []) if message is not None else []
    return {
        "model": output.model or event.model,
        "text": "" if message is None else message.text,
        "calls": [{"id": call.id, "tool": call.function, "arguments": call.arguments} for call in calls],
        "stop_reason": output.stop_reason if output.choices else None,
        "usage": None if output.usage is None else _usage(output.usage),
        "error": event.error or output.error,
    }


def _usage(usage: ModelUsage) -> dict[str, Any]:
    return {
        "input": usage.input_tokens,
        "cached": usage.input_tokens_cache_read or 0,
        "cache_write": usage.input_tokens_cache_write or 0,
        "output": usage.output_tokens,  # reasoning included
        "reasoning": usage.reasoning_tokens or 0,
        "cost": usage.total_cost,
    }


def _text(result: Any) -> str:
    """The text of a tool's result; images are named."""
    if isinstance(result, list):
        return "\n".join(str(getattr(part, "text", "[image]")) for part in result)
    return str(getattr(result, "text", result))


def _failure(error: Exception) -> dict[str, Any]:
    """Type, message and HTTP status of the exception that says most.

    Inspect's own message repeats the request, and with it what the agent wrote: what the service said is beside it.
    """
    known = list(_causes(error))
    told = next((one for one in known if hasattr(one, "provider_message")), None)
    if told is None:
        told = next((one for one in known if _status(one) is not None), known[-1])
    said = getattr(told, "provider_message", None) or str(told)
    return {"exception": type(told).__name__, "message": said, "status": _status(told)}


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception, and those inside it: in groups, behind repeated requests, and as causes."""
    seen: set[int] = set()
    stack: list[BaseException] = [error]
    while stack:
        one = stack.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        attempts = getattr(one, "last_attempt", None)  # tenacity's RetryError
        inner = attempts.exception() if attempts is not None and hasattr(attempts, "exception") else None
        parts = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        stack += [part for part in (one.__context__, one.__cause__, *parts, inner) if part is not None]


def _status(error: BaseException) -> int | None:
    for name in _STATUS:
        value = getattr(error, name, None)
        if isinstance(value, int) and 400 <= value < 600:
            return value
    return None
