"""Keeps all output of a kernel, from Python or written directly to the standard descriptors.

It prevents four kinds of loss: dropped by a full queue, queued but not sent when the process ends, still in a pipe when
the cell counts as ended, and a character split in two.
"""

from __future__ import annotations

import codecs
import ctypes
import fcntl
import mmap
import os
import select
import struct
import sys
import threading
from collections.abc import Callable
from typing import Any

#: The format of `sandbox.inside.memory_file`.
HEADER = struct.Struct("<Q")
#: Seconds for which ipykernel may hold output without a flush.
FLUSH_S = 0.05
#: Default capacity of a pipe in bytes, and bytes read from it at a time.
PIPE_BYTES = 1 << 16


class PrintedFile:
    """Gets a copy of all output immediately and writes it to memory that outlives the process.

    Args:
        descriptor: File in memory, of fixed size, that begins with the number of bytes in use; the harness sets that
            to 0 before every cell, and reads the file when the kernel has died.
    """

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, 0)
        os.close(descriptor)
        self._owner = os.getpid()
        self._used = 0

    def begin(self) -> None:
        """Clear the file, at the beginning of a cell."""
        self._used = 0
        self._memory[: HEADER.size] = HEADER.pack(0)

    def write(self, text: str) -> None:
        """Write text, unless the file is full or the process a fork."""
        start = HEADER.size + self._used
        room = len(self._memory) - start
        if room <= 0 or os.getpid() != self._owner:
            return
        data = text[:room].encode("utf-8", "replace")[:room]
        self._memory[start : start + len(data)] = data
        self._used += len(data)
        self._memory[: HEADER.size] = HEADER.pack(self._used)

    def flush(self) -> None:
        """Do nothing: there is no buffer."""


class Descriptor:
    """A standard descriptor that is written to by commands and C libraries, not only by Python's ``print``.

    ipykernel has replaced it by a pipe, with a thread that reads it whenever it is scheduled. This thread is replaced
    by one whose work can also be done by code that must wait for all output.

    Args:
        stream: ipykernel's stream of the same name, which gets what was read.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._owner = os.getpid()
        self._ended = False
        self._lock = threading.RLock()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pipe = stream._fid
        stream._should_watch = False
        os.write(stream._original_stdstream_fd, b"\0")  # ipykernel's thread wakes up, and ends
        stream.watch_fd_thread.join()
        os.set_blocking(self._pipe, False)
        get_size = getattr(fcntl, "F_GETPIPE_SZ", None)
        self._size = PIPE_BYTES if get_size is None else fcntl.fcntl(self._pipe, get_size)
        # for passing the stream to a command: ipykernel's own answer is a terminal that nobody sees
        stream._original_stdstream_copy = stream._original_stdstream_fd
        threading.Thread(target=self._watch, daemon=True, name=f"{stream.name} pipe").start()

    def drain(self) -> None:
        """Read everything written so far; output that is written meanwhile can't prolong this."""
        if self._ended or os.getpid() != self._owner:  # a fork must not read what its parent waits for
            return
        with self._lock:
            left = self._size
            while left > 0:
                try:
                    data = os.read(self._pipe, PIPE_BYTES)
                except BlockingIOError:
                    return
                if not data:  # nobody has it open any more
                    self._ended = True
                    return
                left -= len(data)
                text = self._decoder.decode(data)
                if text:
                    self._stream.write(text)

    def _watch(self) -> None:
        readable = select.poll()
        readable.register(self._pipe, select.POLLIN)
        while not self._ended:
            readable.poll()
            self.drain()


def draining(drain: Callable[[], None], flush: Callable[[], None]) -> Callable[[], None]:
    """A flush that also takes what has been written to the descriptor."""

    def drain_and_flush() -> None:
        drain()
        flush()

    return drain_and_flush


def unless_in_place(name: str, stream: Any, act: Callable[[], object]) -> Callable[[], None]:
    """A function that does for a stream what ipykernel does for its replacement, if it was replaced."""

    def act_unless_in_place() -> None:
        if getattr(sys, name, None) is not stream:
            act()

    return act_unless_in_place


def belonging(kernel: Any, stream: Any) -> Callable[[], None]:
    """A function that assigns later output of a stream to the cell that begins."""
    return lambda: stream.set_parent(kernel.get_parent())


def c_library_flush() -> Callable[[], object]:
    """A function that flushes the C library's output, which is buffered in large blocks for pipes."""
    library = ctypes.CDLL(None)
    try:
        stdout = ctypes.c_void_p.in_dll(library, "stdout")
    except ValueError:  # it has another name, as on macOS
        return lambda: None
    return lambda: library.fflush(stdout)


def install(kernel: Any, files: dict[str, int]) -> None:
    """Protect the output of a kernel.

    Args:
        kernel: The IPython kernel.
        files: Descriptor of the file in memory for each stream.
    """
    import zmq

    # By default the socket drops messages when its queue is full, i.e. when this machine is too busy; now it waits
    # instead, so that an agent sees all output of its cell.
    thread = kernel.iopub_thread
    thread.schedule(lambda: thread.socket.setsockopt(zmq.XPUB_NODROP, 1))
    events = kernel.shell.events
    events.register("post_execute", c_library_flush())
    for name, number in files.items():
        stream = getattr(sys, name)
        if not hasattr(stream, "watch_fd_thread"):
            os.close(number)
            continue
        stream.flush_interval = FLUSH_S
        stream.echo = PrintedFile(number)  # what ipykernel calls a second place for what is printed
        events.register("pre_execute", stream.echo.begin)
        events.register("pre_execute", unless_in_place(name, stream, belonging(kernel, stream)))
        descriptor = Descriptor(stream)
        # the kernel flushes both before it reports the end of a cell, and before any other display
        stream.flush = draining(descriptor.drain, stream.flush)
        events.register("post_execute", unless_in_place(name, stream, stream.flush))
