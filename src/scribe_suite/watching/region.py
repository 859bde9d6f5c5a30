"""A few lines below pytest's output in a terminal, redrawn in place.

pytest leaves the cursor in the middle of a line and returns to it, so a display that needs whole lines (as rich's
`Live` does) can't be used. Here pytest's writes are unchanged: before each of them the lines below the cursor are
erased, after it they are drawn again, and the cursor returns to where pytest left it. Output that bypasses this class
is untidy until the next redraw but never lost.

Writes go to a copy of the terminal's descriptor: while a test runs, pytest's capture has the original one.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import threading
from collections.abc import Sequence
from typing import Any, TextIO

_SAVE, _RESTORE = "\x1b7", "\x1b8"
_ERASE_BELOW = "\x1b[J"
_ERASE_RIGHT = "\x1b[K"
_ERASE_LINE = "\x1b[2K"
#: Moves down a line and stays in its column; scrolls at the bottom of the screen.
_DOWN = "\x1bD"


class Region:
    """Replaces the file that pytest's terminal writer writes to, until it is closed.

    Args:
        writer: pytest's terminal writer.

    Raises:
        OSError: When it writes to something without a descriptor.
        AttributeError: When it is another kind of writer.
    """

    def __init__(self, writer: Any) -> None:
        self._file: TextIO = writer._file
        self._file.flush()
        self._descriptor = os.dup(self._file.fileno())
        self._encoding = getattr(self._file, "encoding", None) or "utf-8"
        self._writer = writer
        self._lock = threading.RLock()
        self._lines: tuple[str, ...] = ()
        self._drawn = 0
        self._broken = False
        self._closed = False
        writer._file = self

    def write(self, text: str) -> int:
        """Write pytest's output.

        Raises:
            UnicodeEncodeError: When the terminal's encoding lacks a character; pytest then writes it in another way.
            OSError: When the terminal is gone.
        """
        data = text.encode(self._encoding)
        with self._lock:
            if self._closed:
                return self._file.write(text)
            erase, self._drawn = (_ERASE_BELOW if self._drawn else ""), 0
            self._send(erase.encode() + data)
        return len(text)

    def flush(self) -> None:
        """Draw the lines again: pytest has finished writing for now."""
        with self._lock:
            if self._closed:
                self._file.flush()
            elif self._lines and not self._drawn:
                self._draw()

    def show(self, lines: Sequence[str]) -> None:
        """Show other lines, any number of them.

        Args:
            lines: No wider than the terminal, and fewer than its rows.
        """
        with self._lock:
            self._lines = tuple(lines)
            self._draw()

    def hide(self) -> None:
        """Erase the lines until others are shown."""
        self.show(())

    def close(self) -> None:
        """Erase the lines and restore pytest's file."""
        with self._lock:
            self._writer._file = self._file
            if not self._closed:
                self.hide()
                self._closed = self._broken = True
                os.close(self._descriptor)

    def size(self) -> tuple[int, int]:
        """Current columns and rows of the terminal."""
        try:
            columns, rows = os.get_terminal_size(self._descriptor)
        except OSError:
            columns, rows = 0, 0
        fallback = shutil.get_terminal_size()
        return columns or fallback.columns, rows or fallback.lines

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def _draw(self) -> None:
        count = 0 if self._at_margin() else len(self._lines)
        if self._broken or not (count or self._drawn):
            return
        if not count:
            text = _ERASE_BELOW
        else:
            # makes room below the cursor, scrolling if necessary; each time, since others may have written
            room = f"{_ERASE_RIGHT}{_DOWN * count}\x1b[{count}A"
            body = "".join(f"\r\n{_ERASE_LINE}{line}" for line in self._lines)
            below = f"\r\n{_ERASE_BELOW}" if self._drawn > count else ""
            text = f"{room}{_SAVE}{body}{below}{_RESTORE}"
        self._drawn = count
        try:
            self._send(text.encode(self._encoding, "replace"))
        except OSError:  # the terminal is gone; pytest will meet it by itself
            self._broken = True

    def _at_margin(self) -> bool:
        """Whether pytest has just filled a line: moving the cursor would lose the terminal's pending line break."""
        width = self._writer.width_of_current_line
        return bool(width) and width % self.size()[0] == 0

    def _send(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # a program that shares the terminal has asked for it
                with contextlib.suppress(InterruptedError):
                    select.select([], [self._descriptor], [], 1.0)
