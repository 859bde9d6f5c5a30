"""Communicates with an agent's program: writes its prompt, reads its lines as they come, ends it when it must stop."""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import re
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from scribe_suite.errors import InfrastructureError
from scribe_suite.sandbox.inside import usage
from scribe_suite.sandbox.inside.supervisor import NOT_STARTED
from scribe_suite.sandbox.launching import Program
from scribe_suite.sandbox.processes import SandboxedProcess

#: Seconds between interrupting a CLI and killing all its processes.
GRACE_S = 6.0
#: Seconds between two checks of the limits while there is no output.
POLL_S = 0.2
#: Seconds for reading the last lines of a CLI that has ended.
DRAIN_S = 2.0
#: Longest line, in bytes; images in tool results are the longest.
MAX_LINE = 64 << 20
#: Most bytes of all lines, which are kept on disk.
MAX_LINES = 256 << 20
#: How many bytes from the end of its stderr are kept.
MAX_PRINTED = 1 << 20
_CHUNK = 1 << 16
_NOT_STARTED = re.compile(r"^sandbox: \w+: (?:\[Errno (\d{1,5})\] )?(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Ending:
    """How a CLI ended.

    Attributes:
        exit_code: As in a shell, 128 + N for a signal N.
        stopped: Why it was stopped, as a sentence or the watch's text; None when it ended by itself.
        printed: The end of its stderr.
    """

    exit_code: int | None
    stopped: str | None
    printed: str


def run_cli(
    program: Program,
    stdin: str,
    on_line: Callable[[str, float], None],
    watch: Callable[[float, float], str | None],
    ran: Callable[[], bool] = lambda: False,
) -> Ending:
    """Follow a CLI to its end, or until the watch says that it must stop; none of its processes runs afterwards.

    Args:
        program: The CLI, just started.
        stdin: Its input.
        on_line: Called with each line of its stdout and the seconds since the start.
        watch: Called several times a second with the seconds since the start and since the last line; a text stops it.
        ran: Whether there is other evidence that it was started, in case it ends and claims that it was not.

    Raises:
        InfrastructureError: With cause ``agent_sandbox`` when its sandbox was ended from outside.
        OSError: When it could not be started.
    """
    lines, errors = _Lines(program.stdout), _Tail(program.stderr)
    feeder = threading.Thread(target=_feed, args=(program, stdin.encode()), daemon=True)
    workers = (feeder, lines, errors)
    begin = time.monotonic()
    try:
        for worker in workers:
            worker.start()
        stopped = _follow(_process(program), lines, on_line, watch)
        if stopped is not None:
            _process(program).interrupt()
        with contextlib.suppress(TimeoutError):
            _process(program).wait(GRACE_S)
        lines.drain(lambda line: on_line(line, time.monotonic() - begin))
    finally:
        program.end()
        for worker in workers:
            if worker.ident is not None:
                worker.join(DRAIN_S)
    return _ending(program, stopped, errors.text(), ran)


def _follow(
    process: SandboxedProcess,
    lines: _Lines,
    on_line: Callable[[str, float], None],
    watch: Callable[[float, float], str | None],
) -> str | None:
    """Pass on its lines until it has ended or must stop; returns why it must, or None."""
    begin = last = time.monotonic()
    while True:
        now = time.monotonic()
        code = process.poll()
        stopped = watch(now - begin, now - last) or lines.too_many()
        if stopped is not None:
            return stopped
        line = lines.next()
        if line is not None:
            last = time.monotonic()
            on_line(line, last - begin)
        elif lines.ended:
            return None
        elif code is not None and (not lines.is_alive() or now - last > DRAIN_S):
            return None  # or something else holds its stdout open


def _ending(program: Program, stopped: str | None, printed: str, ran: Callable[[], bool]) -> Ending:
    """How it ended.

    Raises:
        InfrastructureError: When its sandbox was killed from outside.
        OSError: When it could not be started.
    """
    code = _process(program).poll()
    exceeded = _exceeded(program) if code != 0 else None
    if stopped is None and exceeded is None and program.tier.own_root and _process(program).lost:
        # in the other tiers the program may have done that itself
        raise InfrastructureError("agent_sandbox", "The sandbox of an agent's program was ended from outside.")
    # a program can print anything and end with any code
    if code == NOT_STARTED and not ran() and (found := _NOT_STARTED.search(printed)) is not None:
        raise OSError(int(found[1] or errno.EIO), found[2])
    return Ending(code, stopped or exceeded, printed)


def _process(program: Program) -> SandboxedProcess:
    assert program.process is not None
    return program.process


def _exceeded(program: Program) -> str | None:
    """The resource limit that has ended it, as a sentence, or None."""
    gib = 1 << 30
    sentences = {
        usage.OUT_OF_MEMORY: f"It used more than {program.limits.memory_bytes / gib:g} GiB of memory.",
        usage.TOO_MANY: f"It started more than {program.limits.processes} processes.",
        usage.DISK_FULL: f"It wrote more than {program.limits.folder_bytes / gib:g} GiB to its folders.",
    }
    return sentences.get(_process(program).exceeded)


class _Lines(threading.Thread):
    """Collects the lines from a descriptor, up to a total number of bytes.

    Attributes:
        ended: Whether the last line has been taken.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(daemon=True)
        self.ended = False
        self._queue: queue.Queue[bytes | None] = queue.Queue()
        self._file = os.fdopen(descriptor, "rb", closefd=False)
        self._bytes = 0

    def next(self) -> str | None:
        """The next line, or None when none has arrived for a moment or there are no more."""
        try:
            line = self._queue.get(timeout=POLL_S)
        except queue.Empty:
            return None
        self.ended = line is None
        return None if line is None else line.decode("utf-8", "replace")

    def drain(self, take: Callable[[str], None]) -> None:
        """Pass on the remaining output of a program that has ended, unless that takes too long."""
        deadline = time.monotonic() + DRAIN_S
        while not self.ended and time.monotonic() < deadline and (line := self.next()) is not None:
            take(line)

    def run(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while self._bytes <= MAX_LINES and (line := self._file.readline(MAX_LINE)):
                self._bytes += len(line)
                self._queue.put(line)
        self._queue.put(None)

    def too_many(self) -> str | None:
        """The complaint when it printed more than may be kept."""
        return f"It printed more than {MAX_LINES >> 20} MiB." if self._bytes > MAX_LINES else None


class _Tail(threading.Thread):
    """Keeps the end of the output from a descriptor."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(daemon=True)
        self._descriptor = descriptor
        self._kept = bytearray()

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self._descriptor, _CHUNK):
                self._kept += data
                del self._kept[:-MAX_PRINTED]

    def text(self) -> str:
        """The end of the output so far."""
        return bytes(self._kept).decode("utf-8", "replace")


def _feed(program: Program, data: bytes) -> None:
    """Write its input, as long as it reads."""
    left = memoryview(data)
    with contextlib.suppress(OSError):
        assert program.stdin is not None
        os.set_blocking(program.stdin, False)
        while left and program.stdin is not None and program.running:
            if select.select([], [program.stdin], [], POLL_S)[1]:
                left = left[os.write(program.stdin, left[:_CHUNK]) :]
    program.close_stdin()
