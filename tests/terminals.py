"""A real pseudo-terminal with an emulator behind it, so that a test can look at what a user would see."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import pyte


class Emulator:
    """What a terminal makes of bytes."""

    def __init__(self, columns: int, rows: int) -> None:
        self.screen = pyte.HistoryScreen(columns, rows, history=5000, ratio=0.5)
        self._stream = pyte.ByteStream(self.screen)

    def feed(self, data: bytes) -> None:
        """Take what a program has written."""
        self._stream.feed(data)

    def text(self) -> str:
        """What is on the screen now."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def everything(self) -> str:
        """The screen with all that has been scrolled out of it."""
        columns = range(self.screen.columns)
        above = ["".join(line[column].data for column in columns).rstrip() for line in self.screen.history.top]
        return "\n".join([*above, self.text()])


class Terminal:
    """A program in a terminal; a context manager that kills it at the end.

    Args:
        argv: Its command line.
        folder: It is started here.
        environment: On top of this process's.
        columns: Width.
        rows: Height.
    """

    def __init__(
        self,
        argv: Sequence[str],
        folder: Path,
        environment: Mapping[str, str] | None = None,
        columns: int = 100,
        rows: int = 30,
    ) -> None:
        self._emulator = Emulator(columns, rows)
        self.shots: list[str] = []
        self._controller, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        variables = {**os.environ, "TERM": "xterm-256color", **(environment or {})}
        for name in ("COLUMNS", "LINES", "NO_COLOR", "PY_COLORS", "CI"):
            variables.pop(name, None)
        self.process = subprocess.Popen(
            argv,
            cwd=folder,
            env=variables,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            # Ctrl-C goes to those whose terminal it is
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(terminal)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._controller)

    def text(self) -> str:
        """What is on the screen now."""
        return self._emulator.text()

    def everything(self) -> str:
        """The screen with all that has been scrolled out of it."""
        return self._emulator.everything()

    def type(self, text: str) -> None:
        """Type something."""
        os.write(self._controller, text.encode())

    def wait_for(self, seen: Callable[[str], bool], timeout_s: float = 60.0) -> str:
        """Read until the screen shows what is looked for, and return it."""
        deadline = time.monotonic() + timeout_s
        while not seen(self.text()):
            assert time.monotonic() < deadline, f"not seen within {timeout_s} s:\n{self.everything()}"
            assert self._read(), f"it ended:\n{self.everything()}"
        return self.text()

    def wait(self, timeout_s: float = 60.0) -> int:
        """Read until the program ends; returns its exit code."""
        deadline = time.monotonic() + timeout_s
        while self._read():
            assert time.monotonic() < deadline, f"it has not ended within {timeout_s} s:\n{self.everything()}"
        return self.process.wait(timeout_s)

    def _read(self) -> bool:
        """Take what has come, if anything, within a tenth of a second; False at the end."""
        ready, _, _ = select.select([self._controller], [], [], 0.1)
        if not ready:
            return True
        try:
            data = os.read(self._controller, 1 << 16)
        except OSError:  # how Linux tells that nobody has the terminal open any more
            return False
        self._emulator.feed(data)
        shot = self.text()
        if not self.shots or shot != self.shots[-1]:
            self.shots.append(shot)
        return bool(data)
