"""Runs an agent CLI in a session of its own, reads its events as they come, and leaves nothing of it behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

#: Seconds between the interrupt of a CLI and the end of its session.
GRACE_S = 6.0
#: Seconds between two looks at the limits while nothing comes.
POLL_S = 0.2
#: Seconds for the last lines of a CLI that has ended.
DRAIN_S = 2.0
#: Bytes of one line; images in tool results are the longest.
MAX_LINE = 64 << 20
#: Bytes of what it printed to stderr that are looked at.
MAX_PRINTED = 16 << 20
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Ending:
    """How a CLI ended.

    Attributes:
        exit_code: As Python has it, negative for a signal.
        stopped: What the watch said when it stopped it, or None when it ended by itself.
    """

    exit_code: int | None
    stopped: str | None


def run_cli(
    argv: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    stdin: str,
    stderr: IO[bytes],
    on_line: Callable[[str, float], None],
    watch: Callable[[float, float], str | None],
) -> Ending:
    """Run a CLI to its end, or until the watch says that it must stop.

    Args:
        argv: Its command line.
        environment: All of its environment.
        folder: It is started here.
        stdin: What it reads.
        stderr: Takes what it prints there; an open file, so that nobody need find it again by a name.
        on_line: Called with each line of its stdout and the seconds since the start.
        watch: Called several times a second with the seconds since the start and since the last line; a text stops it.

    Raises:
        OSError: When it can't be started.
    """
    begin = last = time.monotonic()
    stopped: str | None = None
    process = subprocess.Popen(
        list(argv),
        env=dict(environment),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
    )
    lines: queue.Queue[bytes | None] = queue.Queue()
    workers = [
        threading.Thread(target=_feed, args=(process, stdin.encode()), daemon=True),
        threading.Thread(target=_collect, args=(process, lines), daemon=True),
    ]
    try:
        for worker in workers:
            worker.start()
        while True:
            now = time.monotonic()
            stopped = watch(now - begin, now - last)
            if stopped is not None:
                break
            try:
                line = lines.get(timeout=POLL_S)
            except queue.Empty:
                if process.poll() is not None and not workers[1].is_alive():
                    break
                if process.poll() is not None and now - last > DRAIN_S:
                    break  # a child of it holds its stdout open
                continue
            if line is None:
                break
            last = time.monotonic()
            on_line(line.decode("utf-8", "replace"), last - begin)
        _end(process, interrupt=stopped is not None)
        _drain(lines, lambda text: on_line(text, time.monotonic() - begin))
    finally:
        kill_session(process.pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(OSError, ValueError):
                if stream is not None:
                    stream.close()
    return Ending(process.returncode, stopped)


@contextlib.contextmanager
def printed_file() -> Iterator[IO[bytes]]:
    """A file without a name for what a CLI prints to stderr."""
    with tempfile.TemporaryFile() as file:
        # several processes print there, and some open it anew
        fcntl.fcntl(file, fcntl.F_SETFL, fcntl.fcntl(file, fcntl.F_GETFL) | os.O_APPEND)
        yield file


def printed_text(file: IO[bytes]) -> str:
    """What is in such a file: the end of it, when it is too much."""
    descriptor = file.fileno()
    at = max(0, os.fstat(descriptor).st_size - MAX_PRINTED)
    parts: list[bytes] = []
    while len(parts) * _CHUNK < MAX_PRINTED and (part := os.pread(descriptor, _CHUNK, at)):
        parts.append(part)
        at += len(part)
    return b"".join(parts).decode("utf-8", "replace")


def _feed(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(OSError, ValueError):
        process.stdin.write(data)
        process.stdin.close()


def _collect(process: subprocess.Popen[bytes], lines: queue.Queue[bytes | None]) -> None:
    assert process.stdout is not None
    with contextlib.suppress(OSError, ValueError):
        while line := process.stdout.readline(MAX_LINE):
            lines.put(line)
    lines.put(None)


def _drain(lines: queue.Queue[bytes | None], take: Callable[[str], None]) -> None:
    deadline = time.monotonic() + DRAIN_S
    while time.monotonic() < deadline:
        try:
            line = lines.get(timeout=POLL_S)
        except queue.Empty:
            return
        if line is None:
            return
        take(line.decode("utf-8", "replace"))


def _end(process: subprocess.Popen[bytes], interrupt: bool) -> None:
    """Let it end, asked to by an interrupt or not, for a while."""
    if interrupt:
        with contextlib.suppress(OSError):
            process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_S)


def kill_session(leader: int) -> None:
    """Kill what is left of a session: a CLI's children survive it in most cases."""
    for _ in range(20):
        left = session_processes(leader)
        if not left:
            return
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def session_processes(leader: int) -> list[int]:
    """Living processes of a session."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            ours = process.pid != os.getpid() and os.getsid(process.pid) == leader
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found
