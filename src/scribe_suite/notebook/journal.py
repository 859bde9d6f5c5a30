"""The journal: an append-only JSONL file of everything that happened in a notebook.

A run can't be removed: an edited cell starts a second run, and the events of the first remain. The notebook file is
only a view of the journal (`document`), so a journal alone is enough to rebuild it.

Events, each a line with ``event`` and ``time`` (seconds since the epoch):
    ``journal``          first line: format version, notebook name, isolation tier
    ``session_started``  a kernel was started for this notebook; ``origin`` is new, resumed or continued
    ``cell_added``       a code cell was taken over from another notebook, without running it
    ``cell_started``     a run of a code cell begins: ``cell``, ``run`` (counts up from 1), ``kind``, ``code``
    ``output`` an output: an nbformat output, ``clear_output`` or ``update_display_data``
    ``cell_finished``    how the run ended: ``status``, ``execution_count``, ``seconds``
    ``markdown_added``   a Markdown cell
    ``interrupt``, ``cell_timeout``, ``kernel_died``, ``submission``, ``session_closed``
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any

from scribe_suite.errors import InfrastructureError
from scribe_suite.untrusted_files import UntrustedFileError, UntrustedFolder

JOURNAL_VERSION = 1
JOURNAL_SUFFIX = ".journal.jsonl"
#: Seconds to wait for the lock on a journal: another process may be reading it to rebuild its notebook.
LOCK_S = 1.0
#: Most bytes of one event: outputs are far smaller, and a file without line breaks must not fill the memory.
MAX_EVENT_BYTES = 256 << 20

Event = dict[str, Any]


class JournalInUseError(InfrastructureError):
    """Another notebook server has the journal open."""


class Journal:
    """Writes events, flushed one by one, and hands each to an observer (the document) as it is written.

    It holds a lock on the file while it is open. An incomplete last line after a crash is removed.

    Args:
        path: File to append to; created when missing.
        observer: Called with every event after it has been written.
        folder: The open folder that the file is in, when there is one; else it is opened by its path.
        spend: Called with the number of bytes of every event that is written.

    Raises:
        JournalInUseError: When another harness has it open.
        InfrastructureError: With cause ``journal_write`` when it is a link or not a regular file.
    """

    def __init__(
        self,
        path: Path,
        observer: Callable[[Event], None],
        folder: UntrustedFolder | None = None,
        spend: Callable[[int], None] = lambda _count: None,
    ) -> None:
        self.path = path
        self._spend = spend
        self._folder = folder or UntrustedFolder(path.parent)
        self._observer = observer
        self._resting = False
        self._open()

    def _open(self) -> None:
        try:
            self._file = self._folder.append(self.path.name)
        except UntrustedFileError as error:
            message = f"The journal {self.path} can't be written: {error.strerror}."
            raise InfrastructureError("journal_write", message) from error
        try:
            if not lock_file(self._file, fcntl.LOCK_EX, LOCK_S):
                raise JournalInUseError("journal_write", f"The journal {self.path} is open in another harness.")
            self._mend()
        except ValueError as error:
            self._file.close()
            raise InfrastructureError("journal_write", f"The journal {self.path} can't be written: {error}.") from error
        except BaseException:
            self._file.close()
            raise
        self._resting = False

    def append(self, event: str, **fields: Any) -> None:
        """Write one event.

        Args:
            event: Its name; see the module docstring.
            **fields: JSON-safe content.

        Raises:
            InfrastructureError: With cause ``journal_write`` when the line can't be written (a full disk, say).
        """
        record: Event = {"event": event, "time": round(time.time(), 4), **fields}
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        try:
            if self._resting:
                self._open()
            self._write(line)
            self._spend(len(line))
        except (OSError, ValueError) as error:
            raise InfrastructureError("journal_write", f"The journal {self.path} can't be written: {error}.") from error
        self._observer(record)

    def rest(self) -> None:
        """Close the file until the next event: a notebook without a kernel needs no descriptor."""
        if not self._file.closed:
            self._file.close()
            self._resting = True

    def close(self) -> None:
        """Close the file for good; may be called twice."""
        self._file.close()
        self._resting = False

    def _mend(self) -> None:
        """Complete or remove a last line that a crash has left unterminated, so that the next is not appended to it."""
        size, end = self._file.seek(0, os.SEEK_END), _end_of_lines(self._file)
        if end == size:
            return
        self._file.seek(end)
        try:
            _parse(self._file.read(size - end))
        except ValueError:
            self._file.truncate(end)
        else:
            self._file.write(b"\n")

    def _write(self, line: bytes) -> None:
        written = 0
        try:
            while written < len(line):
                written += self._file.write(line[written:])
        except OSError:
            if written:  # the disk was full in the middle of the line; the next one must not run into it
                self._file.truncate(self._file.seek(0, os.SEEK_END) - written)
            raise


def lock_file(file: FileIO | BufferedReader, kind: int, timeout_s: float = 0.0) -> bool:
    """Lock a file against other processes, or only check whether that is possible.

    Args:
        file: An open file; closing it releases the lock.
        kind: ``fcntl.LOCK_EX`` or ``fcntl.LOCK_SH``.
        timeout_s: Seconds to wait for it.

    Returns:
        False when another process has locked it; True on a file system without locks.
    """
    end = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(0.005)
        except OSError:
            return True
        else:
            return True


def _parse(line: bytes) -> Event:
    try:
        event = json.loads(line)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(event, dict) or "event" not in event:
        raise ValueError("not an event")
    return event


def _end_of_lines(file: FileIO) -> int:
    """The end of the last complete line of a file.

    Raises:
        ValueError: When the rest is too long for the beginning of an event.
    """
    size = end = file.seek(0, os.SEEK_END)
    while end:
        if size - end > MAX_EVENT_BYTES:
            raise ValueError("its last line is too long for an event")
        begin = max(0, end - (1 << 16))
        file.seek(begin)
        found = file.read(end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def read_journal(path: Path, folder: UntrustedFolder | None = None) -> Iterator[Event]:
    """Read a journal, up to a last line that a crash cut short.

    Args:
        path: The journal's path.
        folder: The open folder that it is in, when there is one; else it is opened by its path.

    Yields:
        The events in order.

    Raises:
        InfrastructureError: With cause ``journal_corrupt`` when a line before the last is not an event, or it is a link
            or not a regular file.
    """
    try:
        file = (folder or UntrustedFolder(path.parent)).open(path.name)
    except UntrustedFileError as error:
        raise InfrastructureError("journal_corrupt", f"{path} can't be read as a journal: {error.strerror}.") from error
    with file:
        yield from read_events(file, path)


def read_events(file: BufferedReader, path: Path) -> Iterator[Event]:
    """Read the events of a journal that is open, as `read_journal` does.

    Args:
        file: The file, at its beginning.
        path: Its name, for messages.

    Yields:
        The events in order.

    Raises:
        InfrastructureError: With cause ``journal_corrupt`` when a line before the last is not an event.
    """
    number = 0
    while line := file.readline(MAX_EVENT_BYTES):
        number += 1
        if not line.strip():
            continue
        try:
            event = _parse(line)
        except ValueError as error:
            if not line.endswith(b"\n") and len(line) < MAX_EVENT_BYTES:
                return
            raise InfrastructureError("journal_corrupt", f"Line {number} of {path} is not a journal event.") from error
        yield event
