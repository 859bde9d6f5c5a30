"""MCP over a byte stream of an asyncio server: one JSON-RPC message a line, as the stdio transport has it.

A line that is not a message gets an error reply; only a client that keeps sending nothing else loses the connection. A
client that does not read its replies is not read from either, so they can't pile up. Half a surrogate pair in a text
(models cut emoji like that) becomes U+FFFD, so the rest of the code never sees text that UTF-8 can't encode.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from typing import Any
from weakref import WeakValueDictionary

import anyio
from mcp.server.lowlevel import Server
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp_types import JSONRPCMessage, JSONRPCNotification, JSONRPCRequest, jsonrpc_message_adapter
from pydantic import ValidationError

from scribe_suite.notebook.calls import Call
from scribe_suite.text import well_formed_json

logger = logging.getLogger(__name__)

#: Largest message, in bytes; code cells and answers are far smaller.
MAX_LINE_BYTES = 16 << 20
#: How many invalid lines end a connection.
MAX_MALFORMED = 1000
#: Seconds for sending the last replies on a connection that has ended.
CLOSE_S = 1.0
_PARSE_ERROR, _INVALID_REQUEST = -32700, -32600


async def serve_connection(server: Server[Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve MCP on one connection until the client ends it.

    Args:
        server: The answering server; it may serve many connections at once.
        reader: Bytes from the client.
        writer: Bytes to the client; closed at the end.
    """
    to_server, from_client = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_client, from_server = anyio.create_memory_object_stream[SessionMessage](0)
    calls = OpenCalls()

    async def receive() -> None:
        malformed = 0
        async with to_server:
            async for line in _lines(reader):
                message = _parse(line)
                if isinstance(message, JSONRPCMessage):
                    await to_server.send(calls.attended(message))
                elif message is not None:
                    malformed += 1
                    writer.write(json.dumps(message).encode() + b"\n")
                    if malformed >= MAX_MALFORMED:
                        logger.warning("a connection was ended after %d lines that are no messages", malformed)
                        return
                await writer.drain()  # every message may have a reply, and those to others wait for the same

    async def send() -> None:
        async with from_server:
            async for message in from_server:
                text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                writer.write(text.encode() + b"\n")
                await writer.drain()

    async def guarded(work: Any) -> None:
        with suppress(ConnectionError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            await work()

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(guarded, receive)
            group.start_soon(guarded, send)
            await server.run(from_client, to_client, server.create_initialization_options())
            group.cancel_scope.cancel()
    finally:
        writer.close()
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await writer.wait_closed()
        writer.transport.abort()  # or a client that does not read would keep it for ever


class OpenCalls:
    """Marks the calls of one connection that were cancelled; the SDK only ends their handlers, without a reason."""

    def __init__(self) -> None:
        self._calls: WeakValueDictionary[str, Call] = WeakValueDictionary()

    def attended(self, message: JSONRPCMessage) -> SessionMessage:
        """A message for the SDK's server; for a request, the handler's ``context.request`` is its `Call`."""
        if isinstance(message, JSONRPCRequest):
            # as in the SDK, 7 and "7" are the same
            call = self._calls[str(message.id)] = Call()
            return SessionMessage(message, ServerMessageMetadata(request_context=call))
        if isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            call_or_none = self._calls.get(str((message.params or {}).get("requestId")))
            if call_or_none is not None:
                call_or_none.cancelled = True
        return SessionMessage(message)


async def _lines(reader: asyncio.StreamReader) -> Any:
    """Lines up to `MAX_LINE_BYTES`; only the beginning of a longer one, which is then not a message."""
    buffer = bytearray()
    skipping = False
    while chunk := await reader.read(1 << 16):
        buffer += chunk
        complete: list[bytearray] = []
        if b"\n" in chunk:
            *complete, buffer = buffer.split(b"\n")
        for line in complete:
            if not skipping:
                yield bytes(line)
            skipping = False
        if len(buffer) > MAX_LINE_BYTES:
            if not skipping:
                yield bytes(buffer[:200])
            buffer, skipping = bytearray(), True
    if buffer and not skipping:
        yield bytes(buffer)


def _parse(line: bytes) -> JSONRPCMessage | dict[str, Any] | None:
    """A message, or the error reply to an invalid line, or None for an empty line."""
    if not line.strip():
        return None
    try:
        return jsonrpc_message_adapter.validate_json(line, by_name=False)
    except (ValidationError, ValueError, RecursionError) as error:
        logger.debug("not a JSON-RPC message: %r", error)
    request_id, code, message = None, _PARSE_ERROR, "The line is not JSON."
    with suppress(ValueError, RecursionError):
        value = json.loads(_decoded(line))
        code, message = _INVALID_REQUEST, "The line is JSON but not a JSON-RPC 2.0 message."
        value = well_formed_json(value)
        with suppress(ValidationError):
            return jsonrpc_message_adapter.validate_python(value, by_name=False)
        if isinstance(value, dict) and isinstance(value.get("id"), str | int) and not isinstance(value["id"], bool):
            request_id = value["id"]
    return {"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}}


def _decoded(line: bytes) -> str:
    """Text of a line; individually encoded surrogates are kept, other invalid UTF-8 becomes U+FFFD."""
    try:
        return line.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return line.decode("utf-8", "replace")
