"""The solver: opens the sealed notebook of a sample, lets an agent work in it, and keeps what was submitted."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import anyio.to_thread
from inspect_ai.agent import Agent, AgentState, BridgedToolsSpec, react
from inspect_ai.model import ChatMessageUser
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.tool import MCPServer, mcp_connection, mcp_server_stdio
from inspect_ai.util import LimitExceededError, LimitScope, apply_limits, concurrency, time_limit, turn_limit

from scribe_suite.errors import ConfigurationError, InfrastructureError
from scribe_suite.inspect_tasks.bench import OpenAttempt, in_thread, open_attempt
from scribe_suite.inspect_tasks.options import TaskOptions
from scribe_suite.ledger.outcomes import Outcome

#: Name of the notebook's MCP server, as the agent CLIs know it.
SERVER = "scribe"
#: Keys of a sample's store.
ANSWER, UNANSWERED, FOLDER = "scribe:answer", "scribe:unanswered", "scribe:folder"
REACT = "react"
#: Makes an agent: called with ``bridged_tools``, as the agents of inspect_swe are.
AgentFactory = Callable[..., Agent]


@solver  # type: ignore[untyped-decorator]
def in_notebook(options: TaskOptions, agent: str | AgentFactory) -> Solver:
    """Work on the sample's instance in its notebook.

    Args:
        options: Limits, isolation and folders.
        agent: ``react``, ``PACKAGE/NAME``, or a function that makes an agent.
    """
    made_by = agent_factory(agent)

    async def solve(state: TaskState, generate: Generate) -> TaskState:  # noqa: ARG001 -- Inspect's signature
        facts = state.metadata
        async with concurrency("scribe notebooks", os.cpu_count() or 1):
            stack = ExitStack()
            attempt: OpenAttempt = await _apart(
                lambda: stack.enter_context(open_attempt(facts["task"], facts["instance_seed"], options))
            )
            try:
                await _work(state, attempt, options, made_by)
            finally:
                with anyio.CancelScope(shield=True):
                    await _apart(stack.close)
        return state

    return solve


def agent_factory(agent: str | AgentFactory) -> AgentFactory | None:
    """What makes the agent; None for Inspect's own react agent.

    Raises:
        ConfigurationError: When there is no such agent.
    """
    if not isinstance(agent, str):
        return agent
    if agent == REACT:
        return None
    module, _, name = agent.partition("/")
    try:
        return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"There is no agent {agent!r} ({error}): give {REACT!r}, or PACKAGE/NAME as in inspect_swe/claude_code."
        ) from error


async def _work(state: TaskState, attempt: OpenAttempt, options: TaskOptions, made_by: AgentFactory | None) -> None:
    """Let the agent work, close its notebook, and keep its answer; one that was accepted counts whatever follows."""
    state.messages = [ChatMessageUser(content=attempt.prompt)]
    command, *arguments = attempt.endpoint.pump_argv
    notebook = mcp_server_stdio(name=SERVER, command=command, args=arguments)
    limits = [time_limit(options.wall_s)]
    if options.turns is not None:
        limits.append(turn_limit(options.turns))
    reached = LimitScope()
    attempt.begin(options.wall_s)
    try:
        with apply_limits(limits, catch_errors=True) as reached:
            async with mcp_connection([notebook]):
                ended = await (await _agent(notebook, made_by))(AgentState(messages=state.messages))
            state.messages, state.output = ended.messages, ended.output
    except LimitExceededError as error:
        state.store.set(UNANSWERED, _unanswered(error.type, attempt.rejection))
        raise
    except Exception:
        if attempt.answer is None:
            raise
    finally:
        with anyio.CancelScope(shield=True):
            seen = attempt.tools_seen
            await _apart(attempt.close)
            state.store.set(ANSWER, attempt.answer)
            state.store.set(FOLDER, str(attempt.folder.path))
    if attempt.answer is None and not seen:
        raise InfrastructureError("mcp_not_connected", "The agent never asked the notebook for its tools.")
    limit = reached.limit_error
    state.store.set(UNANSWERED, _unanswered(None if limit is None else limit.type, attempt.rejection))


async def _agent(notebook: MCPServer, made_by: AgentFactory | None) -> Agent:
    if made_by is None:
        # no prompt and no submit tool of Inspect's: every agent of the suite gets the same prompt, and submits with the
        # notebook's tool
        return react(prompt=None, tools=[notebook], submit=False)
    # agents in Inspect's sandboxes can't reach the notebook, which is outside: their calls come out to us
    return made_by(bridged_tools=[BridgedToolsSpec(name=SERVER, tools=await notebook.tools())])


def _unanswered(limit: str | None, rejection: str | None) -> tuple[str, str]:
    """Outcome and reason of an attempt without a valid answer."""
    if limit is not None:
        outcome = Outcome.AGENT_TIMEOUT if limit == "time" else Outcome.LIMIT_REACHED
        return str(outcome), f"The {limit} limit was reached."
    if rejection is not None:
        return str(Outcome.INVALID_ANSWER), rejection
    return str(Outcome.NO_ANSWER), "The agent finished without calling submit_answer."


async def _apart(work: Callable[[], Any]) -> Any:
    """Do something that takes long, while other samples go on."""
    return await anyio.to_thread.run_sync(lambda: in_thread(work))
