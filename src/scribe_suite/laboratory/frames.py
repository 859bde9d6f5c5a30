"""Frames: the wire format between the laboratory's three sides. Standard library only.

A frame is the sizes of its two parts (`SIZES`), a JSON object, and the bytes of a safetensors file, which may be empty.
The tensors are not parsed here. A frame that is too large or invalid raises `FrameError` with one sentence; the
beginning of the next one is then unknown, so the connection is unusable.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

#: Sizes of the JSON and of the tensors, in bytes.
SIZES = struct.Struct("<IQ")
MAX_HEADER = 1 << 20
#: Most bytes of the tensors sent to a model, and of those returned.
MAX_TENSORS_IN = 64 << 20
MAX_TENSORS_OUT = 256 << 20
_PART = 1 << 20


class FrameError(Exception):
    """A frame is invalid or too large; the message is one sentence."""


class ClosedError(FrameError):
    """The other side closed the connection in the middle of a frame, or while one was sent to it."""


@dataclass(frozen=True)
class Frame:
    """One message.

    Attributes:
        header: A JSON object.
        tensors: A safetensors file, or nothing.
    """

    header: dict[str, Any]
    tensors: bytes = b""


def send(
    channel: socket.socket,
    header: Mapping[str, Any],
    tensors: bytes = b"",
    *,
    most: int = MAX_TENSORS_OUT,
    deadline: float | None = None,
) -> None:
    """Send one frame.

    Args:
        channel: A connected stream socket.
        header: JSON-safe; NaN and infinities are not.
        tensors: A safetensors file, or nothing.
        most: Largest number of bytes of `tensors`.
        deadline: A time of `time.monotonic`, or None to wait for ever.

    Raises:
        FrameError: When it is too large; nothing was sent, and the connection is still usable.
        ClosedError: When the other side does not read any more.
        TimeoutError: When the deadline came first; the connection is unusable.
        ValueError: When the header is not JSON-safe.
    """
    text = json.dumps(dict(header), allow_nan=False, separators=(",", ":")).encode()
    _check_sizes(len(text), len(tensors), most)
    try:
        for part in (SIZES.pack(len(text), len(tensors)) + text, tensors):
            view = memoryview(part)
            while view:
                _set_timeout(channel, deadline)
                view = view[channel.send(view) :]
    except TimeoutError:
        raise
    except OSError as error:
        raise ClosedError("The other side has closed the connection.") from error


def receive(channel: socket.socket, *, most: int, deadline: float | None = None) -> Frame | None:
    """Wait for one frame.

    Args:
        channel: A connected stream socket.
        most: Largest number of bytes of its tensors.
        deadline: As in `send`.

    Returns:
        The frame, or None when the connection was closed between frames.

    Raises:
        FrameError: When it is too large or invalid.
        ClosedError: When the connection was closed in the middle.
        TimeoutError: When the deadline came first; the connection is unusable, unless nothing had been received.
    """
    sizes = _receive_exactly(channel, SIZES.size, deadline)
    if not sizes:
        return None
    _check_whole(sizes, SIZES.size)
    n_header, n_tensors = SIZES.unpack(sizes)
    _check_sizes(n_header, n_tensors, most)
    text = _check_whole(_receive_exactly(channel, n_header, deadline), n_header)
    tensors = _check_whole(_receive_exactly(channel, n_tensors, deadline), n_tensors)
    return Frame(_parsed(text), tensors)


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise FrameError("The header of the frame is not a JSON object.")
    return header


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check_sizes(n_header: int, n_tensors: int, most: int) -> None:
    if n_header > MAX_HEADER:
        raise FrameError(f"The header of the frame has {n_header:,} bytes; at most {MAX_HEADER:,} are allowed.")
    if n_tensors > most:
        raise FrameError(f"The tensors of the frame have {n_tensors:,} bytes; at most {most:,} are allowed.")


def _check_whole(part: bytes, size: int) -> bytes:
    if len(part) < size:
        raise ClosedError("The other side closed the connection in the middle of a frame.")
    return part


def _receive_exactly(channel: socket.socket, size: int, deadline: float | None) -> bytes:
    """That many bytes, or fewer when the connection ends; memory grows with the data, not the announced size."""
    received = bytearray()
    while len(received) < size:
        _set_timeout(channel, deadline)
        try:
            part = channel.recv(min(size - len(received), _PART))
        except TimeoutError:
            raise
        except OSError:  # reset: the other side is gone
            part = b""
        if not part:
            break
        received += part
    return bytes(received)


def _set_timeout(channel: socket.socket, deadline: float | None) -> None:
    if deadline is None:
        channel.settimeout(None)
        return
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    channel.settimeout(left)
