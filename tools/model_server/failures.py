"""The responses of each kind of failure: one row of `FAILURES` per kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from .scenario import Failure, FailureKind
from .wire import Json, Wire

#: What a proxy or a captive portal may send instead of JSON.
GARBAGE = b"<html><body>It works! {{{</body></html>\n"

Ending = Literal["complete", "stall", "cut"]


@dataclass(frozen=True)
class Answer:
    """Bytes to send, and what happens afterwards.

    Attributes:
        status: HTTP status; None to send nothing at all and wait until the client has gone.
        headers: HTTP headers.
        chunks: Parts of the body.
        ending: ``complete``, ``stall`` (nothing more, the connection stays) or ``cut`` (the connection is closed).
    """

    status: int | None
    headers: dict[str, str] = field(default_factory=dict)
    chunks: tuple[bytes, ...] = ()
    ending: Ending = "complete"


def whole_answer(body: Json, status: int = 200, **headers: str) -> Answer:
    """A JSON body."""
    return Answer(status, {"content-type": "application/json", **headers}, (json.dumps(body).encode(),))


def stream_answer(wire: Wire, events: Sequence[Json], ending: Ending = "complete") -> Answer:
    """A stream of events."""
    headers = {"content-type": "text/event-stream", "cache-control": "no-cache"}
    return Answer(200, headers, tuple(wire.encode(event) for event in events), ending)


def reply_answer(wire: Wire, reply: Json, stream: bool) -> Answer:
    """A correct reply."""
    return stream_answer(wire, wire.events(reply)) if stream else whole_answer(reply)


def failed_answer(failure: Failure, wire: Wire, reply: Json, stream: bool) -> Answer:
    """The answer with `failure` in place of a reply."""
    return FAILURES[failure.kind](failure, wire, reply, stream)


def _status(failure: Failure, wire: Wire, reply: Json, stream: bool) -> Answer:
    assert failure.status is not None
    headers = {} if failure.retry_after is None else {"retry-after": f"{failure.retry_after:g}"}
    return whole_answer(wire.error(failure.status, failure.message, failure.retry_after), failure.status, **headers)


def _hang(failure: Failure, wire: Wire, reply: Json, stream: bool) -> Answer:
    return Answer(None)


def _stall(failure: Failure, wire: Wire, reply: Json, stream: bool) -> Answer:
    return _half(wire, reply, stream, "stall")


def _disconnect(failure: Failure, wire: Wire, reply: Json, stream: bool) -> Answer:
    return _half(wire, reply, stream, "cut")


def _garbage(failure: Failure, wire: Wire, reply: Json, stream: bool) -> Answer:
    if stream:
        return Answer(200, {"content-type": "text/event-stream"}, (b"data: " + GARBAGE + b"\n",))
    return Answer(200, {"content-type": "application/json"}, (GARBAGE,))


def _unknown_event(failure: Failure, wire: Wire, reply: Json, stream: bool) -> Answer:
    if not stream:
        return whole_answer(
            {**reply, **{key: value for key, value in wire.unknown_event().items() if key not in reply}}
        )
    first, *rest = wire.events(reply)
    return stream_answer(wire, [first, wire.unknown_event(), *rest])


def _stream_error(failure: Failure, wire: Wire, reply: Json, stream: bool) -> Answer:
    if not stream:  # there is no stream to put it into: Claude Code asks again in this way after such a failure
        return whole_answer(wire.error(500, failure.message), 500)
    return stream_answer(wire, [wire.events(reply)[0], wire.stream_error(failure.message)])


def _half(wire: Wire, reply: Json, stream: bool, ending: Ending) -> Answer:
    """The first half of a reply, at least one event of a stream."""
    if stream:
        events = wire.events(reply)
        return stream_answer(wire, events[: max(1, len(events) // 2)], ending)
    whole = whole_answer(reply)
    text = whole.chunks[0]
    return Answer(200, whole.headers, (text[: len(text) // 2],), ending)


FAILURES: dict[FailureKind, Callable[[Failure, Wire, Json, bool], Answer]] = {
    "status": _status,
    "hang": _hang,
    "stall": _stall,
    "disconnect": _disconnect,
    "garbage": _garbage,
    "unknown_event": _unknown_event,
    "stream_error": _stream_error,
}
