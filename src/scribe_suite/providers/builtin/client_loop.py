"""Runs an asynchronous notebook session within a wall clock limit, and reports how it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from scribe_suite.errors import InfrastructureError, SuiteError
from scribe_suite.providers.base import AttemptContext, EndReason, ProviderResult
from scribe_suite.providers.builtin.mcp_client import NotebookClient, connect

#: What a built-in provider does with the notebook; returns one sentence about the end, or an empty string.
Work = Callable[[NotebookClient], Awaitable[str]]


def drive(context: AttemptContext, work: Work) -> ProviderResult:
    """Connect to the notebook, do `work`, and stop at the wall clock limit.

    Raises:
        InfrastructureError: ``mcp_connection`` when the notebook can't be reached, or whatever `work` raised.
    """

    async def session() -> ProviderResult:
        calls = 0
        with anyio.move_on_after(context.limits.wall_s):
            async with connect(context.endpoint) as notebook:
                try:
                    detail = await work(notebook)
                finally:
                    calls = notebook.calls
            return ProviderResult(EndReason.FINISHED, detail, tool_calls=calls)
        return ProviderResult(
            EndReason.TIMEOUT, f"The limit of {context.limits.wall_s:g} s was reached.", tool_calls=calls
        )

    try:
        return anyio.run(session)
    except SuiteError:
        raise
    except BaseExceptionGroup as group:
        raise _first_cause(group) from group
    except Exception as error:
        raise _connection_error(error) from error


def _first_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The relevant error in a task group's bundle: ours if there is one; a user's interrupt is passed on."""
    own, rest = group.split(SuiteError)
    leaf: BaseException = own or rest or group
    while isinstance(leaf, BaseExceptionGroup):
        leaf = leaf.exceptions[0]
    return _connection_error(leaf) if isinstance(leaf, Exception) and not isinstance(leaf, SuiteError) else leaf


def _connection_error(error: Exception) -> InfrastructureError:
    return InfrastructureError(
        "mcp_connection", f"The notebook's MCP server could not be used ({type(error).__name__}: {error})."
    )
