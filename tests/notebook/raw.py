"""A client of the socket that can send anything, for tests."""

from __future__ import annotations

import json
import socket
from typing import Any

from scribe_suite.notebook.server import NotebookServer

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": "init",
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
LIST = {"jsonrpc": "2.0", "id": "list", "method": "tools/list"}


class Raw:
    """A client that can send anything."""

    def __init__(self, server: NotebookServer) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(str(server.endpoint.socket_path))
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> Raw:
        self.send(INITIALIZE)
        assert self.receive()["id"] == "init"
        self.send(INITIALIZED)
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def send(self, message: Any) -> None:
        self.socket.sendall(message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n")

    def call(self, number: int, tool: str, arguments: dict[str, Any], **meta: Any) -> None:
        """Call a tool, and don't wait for the result."""
        params = {"name": tool, "arguments": arguments, "_meta": meta}
        self.send({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})

    def receive(self) -> dict[str, Any]:
        return json.loads(self.file.readline())

    def assert_alive(self) -> None:
        self.send(LIST)
        assert len(self.receive()["result"]["tools"]) == 10
