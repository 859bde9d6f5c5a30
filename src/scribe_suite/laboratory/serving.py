"""Serves one connection of a kernel, which may send anything: frame by frame, until it ends or becomes unusable.

A kernel that floods its connection waits: nothing is read ahead, and between two requests the connection rests for as
long as the harness has worked for it. A frame that is none, or is not finished in time, ends the connection after one
sentence, since nobody knows where the next one would begin; other connections do not notice.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from scribe_suite.laboratory import frames
from scribe_suite.laboratory.frames import ClosedError, Frame, FrameError

#: Seconds in which a frame that has been begun must be there, and in which an answer must be taken.
FRAME_S = 60.0
#: Seconds that a connection rests after every request at least and at most.
SHORTEST_REST_S, LONGEST_REST_S = 0.001, 1.0
#: Seconds for the last sentence on a connection.
PARTING_S = 0.5


@dataclass(frozen=True)
class Answer:
    """What goes back.

    Attributes:
        header: JSON-safe.
        tensors: A safetensors file, or nothing.
        sent: Called when all of it has been sent; must not raise.
    """

    header: Mapping[str, Any]
    tensors: bytes = b""
    sent: Callable[[], None] = lambda: None


def serve(channel: socket.socket, answer: Callable[[Frame], Answer]) -> None:
    """Answer every request of a connection, one after the other; returns when it has ended.

    Args:
        channel: The harness's end; the caller closes it.
        answer: Called with every request; must not raise.
    """
    while _more(channel):
        begin = time.thread_time()
        try:
            frame = frames.receive(channel, most=frames.MAX_TENSORS_IN, deadline=time.monotonic() + FRAME_S)
        except TimeoutError:
            _part(channel, f"A request that was begun was not finished within {FRAME_S:g} seconds.")
            return
        except ClosedError:
            return
        except FrameError as error:
            _part(channel, str(error))
            return
        if frame is None or not _send(channel, frame, answer(frame)):
            return
        del frame
        time.sleep(min(max(time.thread_time() - begin, SHORTEST_REST_S), LONGEST_REST_S))


def numbered(frame: Frame, header: Mapping[str, Any]) -> dict[str, Any]:
    """A header with the number of the request that it answers, so that nobody takes it for the answer to another."""
    number = frame.header.get("id")
    return {**header, "id": number if isinstance(number, int) and abs(number) < 1 << 53 else None}


def _more(channel: socket.socket) -> bool:
    """Wait for a request to begin; whether one has."""
    try:
        channel.settimeout(None)
        return bool(channel.recv(1, socket.MSG_PEEK))
    except OSError:
        return False


def _send(channel: socket.socket, frame: Frame, answer: Answer) -> bool:
    """Send an answer; whether the connection can still be used."""
    deadline = time.monotonic() + FRAME_S
    try:
        try:
            frames.send(channel, numbered(frame, answer.header), answer.tensors, deadline=deadline)
            answer.sent()
        except ClosedError:
            return False
        except FrameError:  # nothing has been sent
            header = numbered(frame, {"error": "The answer is too large to be sent; ask for less at a time."})
            frames.send(channel, header, deadline=deadline)
    except (FrameError, TimeoutError):
        return False
    return True


def _part(channel: socket.socket, reason: str) -> None:
    with contextlib.suppress(FrameError, TimeoutError):
        header = {"id": None, "error": f"{reason} The connection to the laboratory has been closed."}
        frames.send(channel, header, deadline=time.monotonic() + PARTING_S)
