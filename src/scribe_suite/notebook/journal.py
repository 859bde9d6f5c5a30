"""The journal: an append-only JSONL file of everything that happened in a notebook.

What ran can't be unrun: an edited cell starts a second run, and the events of the first stay. The notebook file is
only a view of the journal (`document`), so a journal alone is enough to rebuild it.

Events, each a line with ``event`` and ``time`` (seconds since the epoch):
    ``journal``          first line: format version, notebook name, isolation tier
    ``session_started``  a kernel was started for this notebook; ``origin`` is new, resumed or continued
    ``cell_added``       a code cell was taken over from another notebook, without running it
    ``cell_started``     a run of a code cell begins: ``cell``, ``run`` (counts up from 1), ``kind``, ``code``
    ``output``           something it put out: an nbformat output, ``clear_output`` or ``update_display_data``
    ``cell_finished``    how the run ended: ``status``, ``execution_count``, ``seconds``
    ``markdown_added``   a Markdown cell
    ``interrupt``, ``cell_timeout``, ``kernel_died``, ``submission``, ``session_closed``
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from scribe_suite.errors import InfrastructureError

JOURNAL_VERSION = 1
JOURNAL_SUFFIX = ".journal.jsonl"

Event = dict[str, Any]


class Journal:
    """Writes events, flushed one by one, and hands each to an observer (the document) as it is written.

    Args:
        path: File to append to; created when missing.
        observer: Called with every event after it is on its way to the disk.
    """

    def __init__(self, path: Path, observer: Callable[[Event], None]) -> None:
        self.path = path
        self._observer = observer
        self._file = path.open("ab", buffering=0)
        with contextlib.suppress(OSError):  # a file system may have no locks; the lock only tells others to keep off
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

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
            self._file.write(line)
        except (OSError, ValueError) as error:
            raise InfrastructureError("journal_write", f"The journal {self.path} can't be written: {error}.") from error
        self._observer(record)

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._file.close()


def read_journal(path: Path) -> Iterator[Event]:
    """Read a journal back, up to a last line that a crash cut short.

    Yields:
        The events in order.

    Raises:
        InfrastructureError: With cause ``journal_corrupt`` when a line before the last is not an event.
    """
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)
            if not isinstance(event, dict) or "event" not in event:
                raise ValueError("not an event")
        except ValueError as error:
            if number == len(lines):
                return
            raise InfrastructureError("journal_corrupt", f"Line {number} of {path} is not a journal event.") from error
        yield event
