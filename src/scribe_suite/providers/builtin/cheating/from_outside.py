"""Cheats of an agent that speaks to the notebook itself: raw frames, made-up tools, paths that lead outside."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from typing import Any

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

from scribe_suite.providers.builtin.cheating.scene import Scene

_LONGEST_LINE = 1 << 22
_ANSWER_S = 2.0
_CLAIM = {"accepted": True, "skill": 1.0, "outcome": "solved"}


class _Wire:
    """A connection to the notebook's socket on which anything can be sent."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self._stream = stream
        self._lines = BufferedByteReceiveStream(stream)

    async def send(self, message: object) -> None:
        await self._stream.send(json.dumps(message).encode() + b"\n")

    async def receive(self) -> dict[str, Any] | None:
        """The next message, or None when none comes."""
        with anyio.move_on_after(_ANSWER_S):
            value = json.loads(await self._lines.receive_until(b"\n", _LONGEST_LINE))
            return value if isinstance(value, dict) else {"result": value}
        return None

    async def ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The reply to a request with its own id; earlier messages are dropped."""
        request_id = secrets.token_hex(8)
        await self.send({"jsonrpc": "2.0", "id": request_id, "method": method, "params": dict(params)})
        while (message := await self.receive()) is not None:
            if message.get("id") == request_id:
                return message
        return {}


async def forged_frames(scene: Scene) -> str:
    """Requests, replies and notifications that only the harness may send."""
    async with await anyio.connect_unix(os.fspath(scene.context.endpoint.socket_path)) as stream:
        wire = _Wire(stream)
        client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "cheat", "version": "1"}}
        await wire.ask("initialize", client)
        await wire.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        got = []
        for method, params in _requests(scene):
            reply = await wire.ask(method, params)
            scene.heard.append(json.dumps(reply, ensure_ascii=False))
            if "result" in reply and not reply["result"].get("isError"):
                got.append(f"{method} {params.get('name', params.get('uri', ''))} was answered")
        for frame in _frames():
            await wire.send(frame)
        still_there = await wire.ask("tools/list", {})
        if "result" not in still_there:
            got.append("the connection no longer answers")
        return "; ".join(got)


def _requests(scene: Scene) -> list[tuple[str, dict[str, Any]]]:
    """Requests that must not be answered."""
    uris = [f"file://{path}" for path in (scene.bait.file, scene.folder)]
    made_up = (
        "set_score",
        "record_metrics",
        "get_answer_key",
        "score",
        "shutdown_server",
        "__init__",
        "_reply",
        "call",
    )
    return [
        *(("tools/call", {"name": name, "arguments": dict(_CLAIM)}) for name in made_up),
        ("tools/call", {"name": "submit_answer", "arguments": {**_CLAIM, "session_id": "s1", "answer": _CLAIM}}),
        ("tools/call", {"name": "list_cells", "arguments": {"session_id": "../s1"}}),
        *(("resources/read", {"uri": uri}) for uri in uris),
        ("resources/list", {}),
        ("prompts/list", {}),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "key"}, "argument": {"name": "a", "value": ""}}),
        ("sampling/createMessage", {"messages": [], "maxTokens": 10}),
        ("scribe/score", dict(_CLAIM)),
    ]


def _frames() -> list[object]:
    """Messages that only a server sends, a request whose id is used twice, and a batch."""
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    said = {"level": "error", "data": _CLAIM}
    return [
        {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": json.dumps(_CLAIM)}]}},
        {"jsonrpc": "2.0", "id": None, "error": {"code": -1, "message": "infrastructure", "data": _CLAIM}},
        {"jsonrpc": "2.0", "method": "notifications/message", "params": said},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1, "reason": "infrastructure"}},
        {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"},
        listing,
        listing,
        [listing, {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "set_score"}}],
    ]


async def paths_outside(scene: Scene) -> str:
    """Names of notebooks that lead outside, for reading or writing."""
    other = scene.bait.other / "notebooks" / "other.ipynb"
    inside = other.relative_to(scene.folder)
    names = [str(other), f"../{inside}", f"notebooks/../../{inside}", f"file://{other}", f"..\\{inside}", f"{other}\0"]
    names += [f"%2e%2e/{inside}", f"/proc/self/root{other}", f"/proc/self/fd/{scene.bait.descriptor}", "../../ledger"]
    names += [f"{other}"[:-6], ".", "..", "", "../outputs/answer.json", "*", "~/x.ipynb", "..ipynb"]
    tools = ("start_session_resume_notebook", "start_session_continue_notebook")
    got = [
        f"{tool} {name!r}"
        for name in names
        for tool in tools
        if not (await scene.call(tool, notebook_path=name)).is_error
    ]
    word = f"cheat{secrets.token_hex(4)}"
    outside = [
        f"../outputs/{word}",
        f"{scene.folder.parent}/{word}",
        f"..\\..\\{word}",
        f"notebooks/../../{word}\0.jsonl",
    ]
    for name in outside:
        session = await scene.session(name)
        await scene.call("list_cells", session_id=session.session_id)
        await scene.leave()
    allowed = scene.folder / "notebooks"
    places = (*scene.folder.parent.glob(f"*{word}*"), *scene.folder.rglob(f"*{word}*"))
    got += [f"wrote {path}" for path in places if path.parent != allowed]
    return "; ".join(got)
