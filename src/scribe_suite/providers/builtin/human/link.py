"""The notebook of an attempt through its socket: MCP with many calls at a time, and outputs as they come."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.endpoint import OUTPUTS, STRUCTURED
from scribe_suite.notebook.output_stream import METHOD

#: Longest message from the notebook, in bytes: a result carries up to eight images.
MAX_MESSAGE = 256 << 20
_PROTOCOL = "2025-06-18"

#: Called with one output of a cell, in the journal's form.
OnOutput = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Reply:
    """The result of a call.

    Attributes:
        text: What an agent reads.
        images: PNG files, as the text numbers them.
        value: The same for programs.
        is_error: Whether the notebook marks it as an error.
    """

    text: str
    images: tuple[bytes, ...] = ()
    value: Mapping[str, Any] = field(default_factory=dict)
    is_error: bool = False


class NotebookLink:
    """A connection to the notebook's server; made by `connected`.

    Attributes:
        tools: The tools, as the server lists them.
        lost: Set when the server has closed the connection.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._number = 0
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._listening: dict[str, OnOutput] = {}
        self.tools: list[dict[str, Any]] = []
        self.lost = asyncio.Event()

    async def call(self, tool: str, arguments: Mapping[str, Any], on_output: OnOutput | None = None) -> Reply:
        """Call a tool.

        Args:
            tool: Its name.
            arguments: Its arguments.
            on_output: Called with each output of a cell as it comes.

        Raises:
            InfrastructureError: With cause ``mcp_connection`` when the connection is lost.
        """
        meta: dict[str, Any] = {STRUCTURED: True}
        token = f"call {self._number + 1}"
        if on_output is not None:
            meta[OUTPUTS] = token
            self._listening[token] = on_output
        try:
            result = await self._request("tools/call", name=tool, arguments=dict(arguments), _meta=meta)
        finally:
            self._listening.pop(token, None)
        content = result.get("content", [])
        return Reply(
            text="\n".join(part["text"] for part in content if part.get("type") == "text"),
            images=tuple(base64.b64decode(part["data"]) for part in content if part.get("type") == "image"),
            value=result.get("structuredContent") or {},
            is_error=bool(result.get("isError")),
        )

    async def introduce(self) -> None:
        """Begin the protocol, and read the list of tools.

        Raises:
            InfrastructureError: As in `call`.
        """
        client = {"name": "scribe-suite-human", "version": "1"}
        await self._request("initialize", protocolVersion=_PROTOCOL, capabilities={}, clientInfo=client)
        await self._send(method="notifications/initialized")
        self.tools = (await self._request("tools/list"))["tools"]

    async def read(self) -> None:
        """Hand on what the server sends, until it ends the connection."""
        try:
            while line := await self._reader.readline():
                self._take(json.loads(line))
        finally:
            self.lost.set()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(_lost())
            self._waiting.clear()

    def _take(self, message: dict[str, Any]) -> None:
        if message.get("method") == METHOD:
            listener = self._listening.get(message["params"]["token"])
            if listener is not None:
                listener(message["params"]["output"])
            return
        future = self._waiting.pop(message.get("id", 0), None)
        if future is None or future.done():
            return
        if "error" in message:
            future.set_exception(InfrastructureError("mcp_connection", f"The notebook answered: {message['error']}."))
        else:
            future.set_result(message["result"])

    async def _request(self, method: str, **params: Any) -> dict[str, Any]:
        if self.lost.is_set():
            raise _lost()
        self._number += 1
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = future
        await self._send(id=self._number, method=method, params=params)
        return await future

    async def _send(self, **message: Any) -> None:
        try:
            self._writer.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
            await self._writer.drain()
        except ConnectionError as error:
            raise _lost() from error


def _lost() -> InfrastructureError:
    return InfrastructureError("mcp_connection", "The notebook's server has closed the connection.")


@contextlib.asynccontextmanager
async def connected(socket: Path) -> AsyncIterator[NotebookLink]:
    """Connect to a notebook.

    Args:
        socket: Its socket; see `NotebookEndpoint`.

    Raises:
        InfrastructureError: With cause ``mcp_connection`` when it can't be reached.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket), limit=MAX_MESSAGE)
    except OSError as error:
        raise InfrastructureError("mcp_connection", f"The notebook can't be reached: {error}.") from error
    link = NotebookLink(reader, writer)
    reading = asyncio.create_task(link.read())
    try:
        await link.introduce()
        yield link
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError, ValueError):
            await reading
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
