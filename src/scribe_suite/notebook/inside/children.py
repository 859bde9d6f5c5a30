"""What forks of a kernel print, show or die of: it goes through a pipe to the kernel, which sends it.

ipykernel has a TCP socket for this, which the sandbox refuses. A fork also ends where its cell ends: it has no
sockets, and must not go on as a second kernel.
"""

from __future__ import annotations

import io
import itertools
import os
import select
import struct
import sys
import threading
from collections import defaultdict
from contextlib import suppress
from typing import Any

#: Of each piece of a message: process, number of the message in it, whether it is the last piece, bytes that follow.
PIECE = struct.Struct("<IIBH")
#: Of each part of a message: its bytes.
PART = struct.Struct("<I")
#: Bytes of a piece: a pipe takes up to so many as a whole, or not at all, however many write at once.
PIECE_BYTES = getattr(select, "PIPE_BUF", 512)
#: Bytes read at a time, and at most in a turn.
READ_BYTES, TURN_BYTES = 1 << 16, 1 << 20
#: Unfinished messages that are kept; those of processes that were killed never end.
MAX_UNFINISHED = 256


class Pipe:
    """The way from forks of this process to its output thread."""

    def __init__(self) -> None:
        self.source, self._sink = os.pipe()
        os.set_blocking(self.source, False)
        self._numbers = itertools.count()
        self._read = bytearray()
        self._unfinished: dict[tuple[int, int], list[bytes]] = {}

    def send_multipart(self, parts: list[bytes], **_options: Any) -> None:
        """Send a message, in a fork; as a ZMQ socket does."""
        # the first is a password between ipykernel's sockets
        message = b"".join(PART.pack(len(part)) + bytes(part) for part in parts[1:])
        room = PIECE_BYTES - PIECE.size
        number = next(self._numbers) & 0xFFFFFFFF
        with suppress(OSError):  # it has closed all its descriptors
            for start in range(0, len(message), room):
                piece = message[start : start + room]
                last = start + room >= len(message)
                os.write(self._sink, PIECE.pack(os.getpid(), number, last, len(piece)) + piece)

    def close(self) -> None:
        """Nothing, in place of a ZMQ socket's."""

    term = close

    def receive(self) -> list[list[bytes]]:
        """The messages that have come."""
        messages: list[list[bytes]] = []
        for _ in range(TURN_BYTES // READ_BYTES):
            try:
                self._read += os.read(self.source, READ_BYTES)
            except BlockingIOError:
                break
            self._take(messages)
        return messages

    def _take(self, messages: list[list[bytes]]) -> None:
        place = 0
        while len(self._read) - place >= PIECE.size:
            process, number, last, size = PIECE.unpack_from(self._read, place)
            end = place + PIECE.size + size
            if end > len(self._read):
                break
            pieces = self._unfinished.setdefault((process, number), [])
            pieces.append(bytes(self._read[place + PIECE.size : end]))
            place = end
            if last:
                messages.append(_parts(b"".join(self._unfinished.pop((process, number)))))
            elif len(self._unfinished) > MAX_UNFINISHED:
                del self._unfinished[next(iter(self._unfinished))]
        del self._read[:place]


def _parts(message: bytes) -> list[bytes]:
    parts, place = [], 0
    while place < len(message):
        (size,) = PART.unpack_from(message, place)
        place += PART.size + size
        parts.append(message[place - size : place])
    return parts


def _exit_code(result: Any) -> int:
    """With which a fork ends whose cell has ended, as a program would."""
    if result is None or result.success:
        return int(result is None)
    code = getattr(result.error_in_exec, "code", 1) if isinstance(result.error_in_exec, SystemExit) else 1
    return code & 0xFF if isinstance(code, int) else int(code is not None)


def install(kernel: Any, _given: object) -> None:
    """Have forks of the kernel heard, and end where their cell ends.

    Args:
        kernel: The IPython kernel.
    """
    owner, thread, pipe = os.getpid(), kernel.iopub_thread, Pipe()
    streams = [stream for stream in (sys.stdout, sys.stderr) if hasattr(stream, "_buffers")]

    def take(*_event: object) -> None:
        if os.getpid() == owner and threading.get_ident() == thread.thread.ident:
            for parts in pipe.receive():
                thread._really_send(parts)

    def taking(flush: Any) -> Any:
        def take_and_flush() -> None:
            take()
            flush()

        return take_and_flush

    def begin_fork() -> None:
        kernel.session.pid = os.getpid()  # else it takes what a fork sends for a mistake
        for stream in streams:
            # what is in there is the parent's to send, and a thread that is not here may have the lock
            stream._buffers = defaultdict(io.StringIO)
            stream._buffer_lock = threading.RLock()
            stream._flush_pending = stream._subprocess_flush_pending = False

    def end_fork(result: Any) -> None:
        if os.getpid() == owner:
            return
        for stream in streams:
            stream.flush()
        os._exit(_exit_code(result))

    thread._pipe_flag = True
    thread._setup_pipe_out = lambda: (pipe, pipe)
    thread.schedule(lambda: thread.io_loop.add_handler(pipe.source, take, thread.io_loop.READ))
    for stream in streams:
        stream._flush = taking(stream._flush)  # runs in the output thread: what a child said comes before the end
    os.register_at_fork(after_in_child=begin_fork)
    kernel.shell.events.register("post_run_cell", end_fork)
