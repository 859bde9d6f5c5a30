"""Serves one connection of an untrusted kernel, frame by frame, until it ends or becomes unusable.

A kernel that floods its connection has to wait: nothing is read ahead, and between two requests the connection pauses
for as long as the harness has worked for it. An invalid frame, or one that is not finished in time, ends the connection
after one sentence, since the beginning of the next one is unknown; other connections are not affected.
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

#: Seconds within which a started frame must be complete, and within which an answer must be read.
FRAME_S = 60.0
#: Least and most seconds of a connection's pause after a request.
SHORTEST_REST_S, LONGEST_REST_S = 0.001, 1.0
#: Seconds for sending the last sentence on a connection.
PARTING_S = 0.5


@dataclass(frozen=True)
class Answer:
    """The answer to a request.

    Attributes:
        header: The header, JSON-safe.
        tensors: A safetensors file, or nothing.
        sent: Called after it has been sent completely; must not raise.
    """

    header: Mapping[str, Any]
    tensors: bytes = b""
    sent: Callable[[], None] = lambda: None


def serve(channel: socket.socket, answer: Callable[[Frame], Answer]) -> None:
    """Answer the requests of a connection one after another; returns when it has ended.

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
    """A header with the number of its request, so that it can't be mistaken for the answer to another one."""
    number = frame.header.get("id")
    return {**header, "id": number if isinstance(number, int) and abs(number) < 1 << 53 else None}


def _more(channel: socket.socket) -> bool:
    """Wait for a request to begin; returns whether one has."""
    try:
        channel.settimeout(None)
        return bool(channel.recv(1, socket.MSG_PEEK))
    except OSError:
        return False


def _send(channel: socket.socket, frame: Frame, answer: Answer) -> bool:
    """Send an answer; returns whether the connection is still usable."""
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
