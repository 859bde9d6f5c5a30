"""One play of a scenario: the answer to each request, and the log of requests."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .anthropic_wire import AnthropicWire
from .failures import Answer, failed_answer, reply_answer, whole_answer
from .gemini_wire import GeminiWire
from .openai_chat_wire import OpenAIChatWire
from .openai_wire import OpenAIWire
from .player import play
from .scenario import Failure, Scenario
from .usage import Api
from .wire import Wire

WIRES: dict[Api, Wire] = {
    "anthropic": AnthropicWire(),
    "openai": OpenAIWire(),
    "openai-chat": OpenAIChatWire(),
    "gemini": GeminiWire(),
}
#: What follows the address of a server and a play in the base URL that a client is given.
BASE_PATHS: dict[Api, str] = {"anthropic": "", "openai": "/v1", "openai-chat": "/v1", "gemini": ""}

Action = Literal["reply", "count", "no_websocket"]

#: Method, path behind the play's own, API, and what is asked; the group ``target`` names Gemini's model and method.
ROUTES: tuple[tuple[str, re.Pattern[str], Api, Action], ...] = (
    ("POST", re.compile(r"/v1/messages"), "anthropic", "reply"),
    ("POST", re.compile(r"/v1/messages/count_tokens"), "anthropic", "count"),
    ("POST", re.compile(r"/v1/responses"), "openai", "reply"),
    ("POST", re.compile(r"/v1/chat/completions"), "openai-chat", "reply"),
    ("GET", re.compile(r"/v1/responses"), "openai", "no_websocket"),  # Codex then goes on with HTTP
    ("POST", re.compile(r"/v1\w*/models/(?P<target>[^/]+:(?:streamG|g)enerateContent)"), "gemini", "reply"),
    ("POST", re.compile(r"/v1\w*/models/(?P<target>[^/]+:countTokens)"), "gemini", "count"),
)


@dataclass(frozen=True)
class LoggedRequest:
    """A received request and its handling.

    Attributes:
        time: When it was received (seconds since the epoch).
        api: Its API, or ``other`` for the path of none.
        play: The `ModelServer.base_url` that received it, such as ``solve-3``.
        scenario: Name of the scenario.
        method: HTTP method.
        path: Path and query.
        headers: Headers, names in lower case.
        body: Parsed body; empty where there is none.
        results: The tool results in it.
        offered: Names of the tools that it offers.
        outcome: ``reply``, ``count``, ``failure`` or ``refused`` (nothing the server knows).
        called: Bare names of the tools called in the reply.
        mismatch: Why the script could not go on, or None.
    """

    time: float
    api: Api | Literal["other"]
    play: str
    scenario: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    results: int = 0
    offered: tuple[str, ...] = ()
    outcome: Literal["reply", "count", "failure", "refused"] = "refused"
    called: tuple[str, ...] = ()
    mismatch: str | None = None


@dataclass
class Play:
    """A scenario, and how often it has failed so far; safe to use from several threads."""

    name: str
    scenario: Scenario
    failed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def failure(self, results: int) -> Failure | None:
        """The failure for a request with that many tool results, which is counted, or None."""
        failure = self.scenario.failure
        if failure is None or results < failure.after:
            return None
        with self._lock:
            if failure.times is not None and self.failed >= failure.times:
                return None
            self.failed += 1
        return failure


@dataclass(frozen=True)
class Incoming:
    """A request of a play, read but not answered."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: dict[str, Any]

    def log(self, playing: Play, api: Api | Literal["other"], **rest: Any) -> LoggedRequest:
        """Its line in the log."""
        path = f"{self.path}?{self.query}" if self.query else self.path
        return LoggedRequest(
            time.time(), api, playing.name, playing.scenario.name, self.method, path, self.headers, self.body, **rest
        )


def answer(playing: Play, rest: str, request: Incoming) -> tuple[Answer, LoggedRequest]:
    """The answer to `request`, whose path behind the play's own is `rest`, and its line in the log."""
    for method, pattern, api, action in ROUTES:
        match = pattern.fullmatch(rest)
        if match is None or method != request.method:
            continue
        wire = WIRES[api]
        if action == "no_websocket":
            return whole_answer(wire.error(426, "There are no web sockets here."), 426), request.log(playing, api)
        if action == "count":
            return whole_answer(wire.count(request.body)), request.log(playing, api, outcome="count")
        return _reply(playing, wire, request, match.groupdict().get("target", ""))
    message = f"{request.method} {rest or '/'} is nothing that the scripted model server knows."
    return whole_answer({"error": {"message": message}}, 404), request.log(playing, "other")


def _reply(playing: Play, wire: Wire, request: Incoming, target: str) -> tuple[Answer, LoggedRequest]:
    try:
        conversation = wire.read(request.body, target)
    except (AttributeError, KeyError, TypeError) as error:
        message = f"The body is not what {wire.api} takes: {type(error).__name__}: {error}"
        return whole_answer(wire.error(400, message), 400), request.log(playing, wire.api)
    reply = play(playing.scenario, conversation, wire.api)
    body = wire.render(reply, conversation)
    failure = playing.failure(len(conversation.results))
    line = request.log(
        playing,
        wire.api,
        results=len(conversation.results),
        offered=tuple(offer.full_name for offer in conversation.offers),
        outcome="reply" if failure is None else "failure",
        called=tuple(call.tool for call in reply.calls),
        mismatch=reply.mismatch,
    )
    if failure is None:
        return reply_answer(wire, body, conversation.stream), line
    return failed_answer(failure, wire, body, conversation.stream), line
