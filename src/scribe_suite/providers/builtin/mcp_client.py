"""A notebook through MCP, as any agent sees it: pump, JSON-RPC, tool results. For the built-in providers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.endpoint import STRUCTURED, NotebookEndpoint

if TYPE_CHECKING:
    from mcp.client import Client


@dataclass(frozen=True)
class ToolResult:
    """The result of a tool call.

    Attributes:
        is_error: Whether the server marked it as an error.
        text: All text blocks, joined, as an agent reads them.
        value: The same for programs; empty when the notebook returned none.
    """

    is_error: bool
    text: str
    value: Mapping[str, Any]

    @property
    def line(self) -> str:
        """The text in one line, for our messages."""
        return " ".join(self.text.split())


class NotebookClient:
    """Calls notebook tools and counts the calls; made by `connect`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.calls = 0

    async def call(self, tool: str, **arguments: Any) -> ToolResult:
        """Call `tool` and read its result."""
        self.calls += 1
        result = await self._client.call_tool(tool, arguments, meta=cast(Any, {STRUCTURED: True}))
        texts = [block.text for block in result.content if block.type == "text"]
        return ToolResult(bool(result.is_error), "\n".join(texts), result.structured_content or {})

    async def start_session(self, name: str) -> str:
        """Start a session and return its id.

        Raises:
            InfrastructureError: When the notebook can't start one.
        """
        started = await self.call("start_new_session", experiment_name=name)
        if started.is_error or "session_id" not in started.value:
            raise InfrastructureError("session_start", f"The notebook did not start a session: {started.line[:500]}")
        return str(started.value["session_id"])


@asynccontextmanager
async def connect(endpoint: NotebookEndpoint) -> AsyncIterator[NotebookClient]:
    """Connect to a notebook through its stdio pump, as the agent CLIs do."""
    from mcp.client import Client  # half a second that listing providers does not need
    from mcp.client.stdio import StdioServerParameters

    command, *arguments = endpoint.pump_argv
    async with Client(StdioServerParameters(command=command, args=arguments)) as client:
        yield NotebookClient(client)
