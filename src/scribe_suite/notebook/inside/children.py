"""Output and errors of a kernel's forks: they go through a pipe to the kernel, which sends them.

ipykernel has a TCP socket for this, which the sandbox refuses. A fork also ends where its cell ends: it has no sockets,
and must not continue as a second kernel.
"""

from __future__ import annotations

import io
import itertools
import os
import select
import struct
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

#: Head of each piece of a message: process, number of the message in it, whether it is the last piece, bytes that
#: follow.
PIECE = struct.Struct("<IIBH")
#: Head of each part of a message: its size in bytes.
PART = struct.Struct("<I")
#: Bytes of a piece: up to this size, writes to a pipe are atomic.
PIECE_BYTES = getattr(select, "PIPE_BUF", 512)
#: Bytes read at a time: the capacity of a pipe, without so many messages that they fill the output thread's queue.
READ_BYTES = 1 << 16
#: Most unfinished messages that are kept; those of killed processes never end.
MAX_UNFINISHED = 256
#: Seconds after which an incomplete line is sent anyway. A print writes a line in pieces, and on a busy machine a
#: process may have to wait in between; at the end of a cell, incomplete lines are sent anyway.
LINE_S = 10.0
#: A marker of Jupyter's messages, and the beginning of a message with printed text, preceded by stream and parent.
DELIMITER, PRINTED = b"<IDS|MSG>", b"printed"
#: Seconds to wait for the output thread, which may be gone.
SENT_S = 10.0

Received = tuple[int, list[bytes]]


class Pipe:
    """The pipe from forks of this process to its output thread."""

    def __init__(self) -> None:
        self.source, self._sink = os.pipe()
        os.set_blocking(self.source, False)
        self._numbers = itertools.count()
        self._read = bytearray()
        self._unfinished: dict[tuple[int, int], list[bytes]] = {}

    def send_multipart(self, parts: list[bytes], **_options: Any) -> None:
        """Send a message from a fork, like a ZMQ socket."""
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
        """Do nothing, unlike a ZMQ socket."""

    term = close

    def receive(self) -> list[Received]:
        """The received messages, each with the number of its process."""
        messages: list[Received] = []
        try:
            self._read += os.read(self.source, READ_BYTES)
        except BlockingIOError:
            return messages
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
                messages.append((process, _parts(b"".join(self._unfinished.pop((process, number))))))
            elif len(self._unfinished) > MAX_UNFINISHED:
                del self._unfinished[next(iter(self._unfinished))]
        del self._read[:place]
        return messages


def _parts(message: bytes) -> list[bytes]:
    """The parts of a message; none when its beginning was dropped."""
    parts, place = [], 0
    while place + PART.size <= len(message):
        (size,) = PART.unpack_from(message, place)
        place += PART.size + size
        parts.append(message[place - size : place])
    return parts if place == len(message) else []


def _exists(process: int) -> bool:
    """Whether a process with this number exists; one that has ended does until its parent has waited for it."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


class Lines:
    """Joins the output of forks into lines, so that concurrent prints don't interleave.

    Args:
        send: Called with the name of the stream, the text and its parent, in order.
    """

    def __init__(self, send: Callable[[str, str, bytes], None]) -> None:
        self._pass_on = send
        self._begun: dict[tuple[int, str], tuple[str, bytes, float]] = {}
        self._ready: list[tuple[str, bytes, list[str]]] = []

    def __bool__(self) -> bool:
        """Whether there are incomplete lines."""
        return bool(self._begun)

    def add(self, process: int, name: str, parent: bytes, text: str) -> None:
        """Add a process's output to a stream, for its parent request."""
        now = time.monotonic()
        before, begun_for, since = self._begun.pop((process, name), ("", parent, now))
        if begun_for != parent:
            self._put(name, begun_for, before)
            before, since = "", now
        lines, end, rest = f"{before}{text}".rpartition("\n")
        self._put(name, parent, lines + end)
        if rest:
            self._begun[process, name] = rest, parent, now if end else since

    def end(self, process: int | None = None) -> None:
        """Complete unfinished lines, of one process or of all."""
        self._end([key for key in self._begun if process in (None, key[0])])

    def ended(self) -> list[int]:
        """Numbers of processes that have begun a line and do not exist any more."""
        return [process for process in {process for process, _name in self._begun} if not _exists(process)]

    def end_overdue(self) -> None:
        """Complete lines that were begun `LINE_S` ago or earlier."""
        latest = time.monotonic() - LINE_S
        self._end([key for key, (_, _, since) in self._begun.items() if since <= latest])

    def send(self) -> bool:
        """Send complete lines; returns whether there were any."""
        ready, self._ready = self._ready, []
        for name, parent, texts in ready:
            self._pass_on(name, "".join(texts), parent)
        return bool(ready)

    def _end(self, keys: list[tuple[int, str]]) -> None:
        for key in keys:
            text, parent, _since = self._begun.pop(key)
            self._put(key[1], parent, text)

    def _put(self, name: str, parent: bytes, text: str) -> None:
        if text and self._ready and self._ready[-1][:2] == (name, parent):
            self._ready[-1][2].append(text)
        elif text:
            self._ready.append((name, parent, [text]))


class Children:
    """The output of a kernel's forks, in the order in which they and the kernel have printed.

    Args:
        kernel: The IPython kernel.
    """

    def __init__(self, kernel: Any) -> None:
        self._owner = os.getpid()
        self._session = kernel.session
        self._thread = kernel.iopub_thread
        self._pipe = Pipe()
        self._lines = Lines(self._print)
        self._parent: Any = None
        self._packed = b""
        self._lock = threading.RLock()
        self._forked = self._heeded = self._ending = self._waiting = False
        self._streams: list[Any] = [stream for stream in (sys.stdout, sys.stderr) if hasattr(stream, "_buffers")]
        self._flushes = [stream._flush for stream in self._streams]
        for stream, flush in zip(self._streams, self._flushes, strict=True):
            stream._flush = self._taking(flush)
            # from the start: IPython replaces this method during a cell, and then restores the one that it found
            stream.write = self._taking_before(stream, stream.write)
        self._thread._pipe_flag = True
        self._thread._setup_pipe_out = lambda: (self._pipe, self._pipe)
        loop = self._thread.io_loop
        self._thread.schedule(lambda: loop.add_handler(self._pipe.source, self._take, loop.READ))
        os.register_at_fork(after_in_parent=self._heed, after_in_child=self._begin_fork)
        kernel.shell.events.register("post_execute", self._end_cell)
        kernel.shell.events.register("post_run_cell", self._end_fork)

    def _take(self, *_event: object) -> None:
        """Send the forks' output; callable from any thread."""
        if os.getpid() != self._owner:
            return
        # the holder of the lock may wait for the output thread, so this call does not wait for the lock
        sending = threading.get_ident() == self._thread.thread.ident
        if not self._lock.acquire(blocking=not sending):
            return
        try:
            sent = self._receive()
            if ended := self._lines.ended():
                sent = self._receive() or sent  # their last output
                for process in ended:
                    self._lines.end(process)
            if self._ending:
                self._ending = False
                self._lines.end()
            self._lines.end_overdue()
            sent = self._lines.send() or sent
            if self._lines and not self._waiting:
                self._waiting = True
                self._thread.schedule(lambda: self._thread.io_loop.call_later(LINE_S, self._look_again))
            if sent and not sending:
                self._await_sending()
        finally:
            self._lock.release()

    def _receive(self) -> bool:
        """Read the pipe's messages; returns whether something was sent."""
        messages, sent = self._pipe.receive(), False
        for flush in self._flushes if messages else ():
            flush()  # earlier output of this process comes first
        for process, parts in messages:
            if parts[:1] == [PRINTED]:
                name, parent, text = parts[1:]
                self._lines.add(process, name.decode(), parent, text.decode("utf-8", "surrogatepass"))
            elif DELIMITER in parts:
                self._lines.end(process)
                self._lines.send()
                self._thread.send_multipart(parts)
                sent = True
        return sent

    def _await_sending(self) -> None:
        """Wait until the output thread has sent its messages, so that later output does not overtake them."""
        done = threading.Event()
        self._thread.schedule(done.set)
        done.wait(SENT_S)

    def _look_again(self) -> None:
        """Check, in the output thread, whether unfinished lines are overdue."""
        if self._lock.acquire(blocking=False):
            self._lock.release()
            self._waiting = False
            self._take()
        else:  # the holder of the lock may have checked the time before
            self._thread.io_loop.call_later(0.05, self._look_again)

    def _print(self, name: str, text: str, parent: bytes) -> None:
        for stream in self._streams:
            if stream.name == name and stream.echo is not None:
                stream.echo.write(text)  # the second destination of printed text, in the order of sending
        content, topic = {"name": name, "text": text}, f"stream.{name}".encode()
        self._session.send(self._thread, "stream", content, parent=self._session.unpack(parent), ident=topic)

    def _taking(self, flush: Callable[[], None]) -> Callable[[], None]:
        """A flush, in the output thread, that first sends the output of forks."""

        def take_and_flush() -> None:
            if self._heeded:
                self._take()
            flush()

        return take_and_flush

    def _heed(self) -> None:
        """Note that there are forks: from now on their output is sent before later output of the kernel."""
        self._heeded = True

    def _taking_before(self, stream: Any, write: Callable[[str], Any]) -> Callable[[str], Any]:
        """A stream's write that sends a fork's text to the kernel, and in the kernel takes forks' output first."""

        def take_and_write(text: str) -> Any:
            if self._forked:
                return self._say(stream, text)
            if self._heeded:
                self._take()
            return write(text)

        return take_and_write

    def _end_cell(self) -> None:
        """Make the flush at the end of the cell also send incomplete lines."""
        self._ending = self._heeded

    def _begin_fork(self) -> None:
        self._forked = True
        self._session.pid = os.getpid()  # otherwise it treats messages of a fork as a mistake
        for stream in self._streams:
            # its content is for the parent to send, and a thread that does not exist here may hold the lock
            stream._buffers = defaultdict(io.StringIO)
            stream._buffer_lock = threading.RLock()
            stream._flush_pending = stream._subprocess_flush_pending = False

    def _say(self, stream: Any, text: str) -> int:
        """Print from a fork: without delay, since it may end at any time, but not as one message per word."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text)}")
        parent = stream.parent_header
        if parent is not self._parent:
            self._parent, self._packed = parent, self._session.pack(parent)
        data = text.encode("utf-8", "surrogatepass")
        self._pipe.send_multipart([b"", PRINTED, stream.name.encode(), self._packed, data])
        return len(text)

    def _end_fork(self, result: Any) -> None:
        if os.getpid() != self._owner:
            for stream in self._streams:
                stream.flush()
            os._exit(_exit_code(result))


def _exit_code(result: Any) -> int:
    """The exit code of a fork at the end of its cell, as for a program."""
    if result is None or result.success:
        return int(result is None)
    code = getattr(result.error_in_exec, "code", 1) if isinstance(result.error_in_exec, SystemExit) else 1
    return code & 0xFF if isinstance(code, int) else int(code is not None)


def install(kernel: Any, _given: object) -> None:
    """Pass on the output of the kernel's forks, and end them where their cell ends.

    Args:
        kernel: The IPython kernel.
    """
    Children(kernel)
