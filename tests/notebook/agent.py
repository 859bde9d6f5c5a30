"""A scripted agent: MCP clients over the real pump or a real command, for tests."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mcp import Client, StdioServerParameters

from scribe_suite.notebook.endpoint import STRUCTURED
from scribe_suite.notebook.server import NotebookServer

Result = TypeVar("Result")
SOURCE = str(Path(__file__).parents[2] / "src")


@dataclass(frozen=True)
class Answer:
    """One tool result: its form for programs, its images, whether it is an error, and the text that agents read."""

    payload: dict[str, Any]
    images: list[bytes]
    is_error: bool
    text: str

    @property
    def output(self) -> str:
        """All text the cell put out."""
        return "\n".join(entry["content"] for entry in self.payload.get("outputs", []) if "content" in entry)

    @property
    def error(self) -> str:
        """The message of an error result."""
        assert self.is_error, self.text
        return str(self.payload["error"])


class Agent:
    """Calls tools, and keeps the session it started last."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.session_id = ""
        self.notebook_path = ""

    async def call(self, tool: str, **arguments: Any) -> Answer:
        result = await self.client.call_tool(tool, arguments, meta={STRUCTURED: True})
        first, *rest = result.content
        images = [base64.b64decode(block.data) for block in rest if block.type == "image"]
        return Answer(result.structured_content or {}, images, bool(result.is_error), first.text)

    async def start(self, tool: str = "start_new_session", **arguments: Any) -> Answer:
        answer = await self.call(tool, **arguments)
        if not answer.is_error:
            self.session_id, self.notebook_path = answer.payload["session_id"], answer.payload["notebook_path"]
        return answer

    async def run(self, code: str) -> Answer:
        return await self.call("execute_code", session_id=self.session_id, code=code)

    async def submit(self, variable: str = "answer") -> Answer:
        return await self.call("submit_answer", session_id=self.session_id, variable=variable)


@contextlib.asynccontextmanager
async def connected(argv: Sequence[str]) -> AsyncIterator[Agent]:
    environment = {"PYTHONPATH": SOURCE}  # else it would be whatever checkout is installed
    async with Client(StdioServerParameters(command=argv[0], args=list(argv[1:]), env=environment)) as client:
        yield Agent(client)


def play(
    server: NotebookServer,
    scenario: Callable[[Agent], Awaitable[Result]],
    session: bool = True,
    session_id: str = "",
    timeout_s: float = 60,
) -> Result:
    """Run a scenario with an agent connected through the pump: in a session of its own, in a given one, or in none."""

    async def run() -> Result:
        async with asyncio.timeout(timeout_s), connected(server.endpoint.pump_argv) as agent:
            agent.session_id = session_id
            if session and not session_id:
                started = await agent.start()
                assert not started.is_error, started.text
            result = await scenario(agent)
            if agent.session_id != session_id:
                await agent.call("shutdown_session", session_id=agent.session_id)
            return result

    return asyncio.run(run())


def journal_events(folder: Path, notebook_path: str) -> list[dict[str, Any]]:
    path = folder / "notebooks" / notebook_path.replace(".ipynb", ".journal.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]
