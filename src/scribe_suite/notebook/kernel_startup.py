"""Runs inside every kernel before anything else, as source text; see `kernel`.

Two ways in which output could get lost are closed: dropped by a full queue, and handed over but not yet sent when the
process ends.
"""

from __future__ import annotations

import os
import sys
from typing import Any

#: Bytes kept of what each stream of a cell has put out; more than that is never all lost.
TAIL_BYTES = 1 << 20
#: Seconds that ipykernel may keep what is printed without a flush.
FLUSH_S = 0.05


class PrintedFile:
    """Gets everything that is printed a second time, at once, and writes it to a file.

    Args:
        path: The file; the harness empties it before every cell, and reads it when the kernel has died.
    """

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._owner = os.getpid()
        self._left = TAIL_BYTES

    def begin(self) -> None:
        """Take text again: a cell begins, the harness has emptied the file."""
        self._left = TAIL_BYTES

    def write(self, text: str) -> None:
        """Write text, unless the file is long enough, the process a fork, or the folder full."""
        if self._left <= 0 or os.getpid() != self._owner:
            return
        data = text.encode("utf-8", "replace")[: self._left]
        self._left -= len(data)
        try:
            os.write(self._descriptor, data)
        except OSError:
            self._left = 0  # what a user did to the file must not make printing fail; the message is still sent

    def flush(self) -> None:
        """Nothing is kept back."""


def start(kernel: Any, folder: str) -> None:
    """Make the output of a kernel safe.

    Args:
        kernel: The IPython kernel.
        folder: Where to put the files ``stdout`` and ``stderr``.
    """
    import zmq

    # By default the socket drops messages when its queue is full, i.e. when this machine is too busy to take them in
    # time; now it waits instead, so that an agent sees all that its cell printed.
    thread = kernel.iopub_thread
    thread.schedule(lambda: thread.socket.setsockopt(zmq.XPUB_NODROP, 1))
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if hasattr(stream, "echo"):  # what ipykernel calls a second place for what is printed
            stream.flush_interval = FLUSH_S
            stream.echo = PrintedFile(os.path.join(folder, name))  # noqa: PTH118
            kernel.shell.events.register("pre_execute", stream.echo.begin)
