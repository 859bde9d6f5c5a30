"""Runs inside every kernel before anything else, as source text; see `kernel`.

Two ways in which output could get lost are closed: dropped by a full queue, and handed over but not yet sent when the
process ends.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
from typing import Any

#: Of `sandbox.inside.memory_file`.
HEADER = struct.Struct("<Q")
#: Seconds that ipykernel may keep what is printed without a flush.
FLUSH_S = 0.05


class PrintedFile:
    """Gets everything that is printed a second time, at once, and writes it to memory that outlives the process.

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
        """Begin anew: a cell begins."""
        self._used = 0
        self._memory[: HEADER.size] = HEADER.pack(0)

    def write(self, text: str) -> None:
        """Write text, unless the file is full or the process a fork."""
        start = HEADER.size + self._used
        if os.getpid() != self._owner or start >= len(self._memory):
            return
        data = text.encode("utf-8", "replace")[: len(self._memory) - start]
        self._memory[start : start + len(data)] = data
        self._used += len(data)
        self._memory[: HEADER.size] = HEADER.pack(self._used)

    def flush(self) -> None:
        """Nothing is kept back."""


def start(kernel: Any, files: dict[str, int]) -> None:
    """Make the output of a kernel safe.

    Args:
        kernel: The IPython kernel.
        files: Descriptor of the file for each stream.
    """
    import zmq

    # By default the socket drops messages when its queue is full, i.e. when this machine is too busy to take them in
    # time; now it waits instead, so that an agent sees all that its cell printed.
    thread = kernel.iopub_thread
    thread.schedule(lambda: thread.socket.setsockopt(zmq.XPUB_NODROP, 1))
    for name, descriptor in files.items():
        stream = getattr(sys, name)
        if hasattr(stream, "echo"):  # what ipykernel calls a second place for what is printed
            stream.flush_interval = FLUSH_S
            stream.echo = PrintedFile(descriptor)
            kernel.shell.events.register("pre_execute", stream.echo.begin)
