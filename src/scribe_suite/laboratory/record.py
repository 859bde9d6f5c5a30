"""The record of an attempt's experiments: an append-only JSONL file that is inaccessible to the agent.

Lines, each with ``event`` and ``time`` (seconds since the record was begun):
    ``laboratory``  first line: version of the format, the agent's terms, and the model
    ``run``         an experiment: ``number``, ``run`` (its id), ``session``, ``price``, ``spent`` (of the budget until
                    now), what was run and asked for, ``returned`` (SHA-256 of the tensors), ``seconds``
    ``repeated``    a repeated run, which was free: ``run``, ``session``, ``returned``
    ``refused`` a refused request: ``session``, ``operation``, ``reason``
    ``failed`` a run in which the laboratory failed, which cost nothing: ``session``, ``reason``
    ``end``         last line: the number of events of each kind, including those without a line, the spend, and the ids
                    of the runs that are ``unread``

Only the first `MAX_FREE_LINES` repeated and refused requests, which cost nothing, have a line: an agent must not be
able to fill a disk. Long fields are replaced by their size and SHA-256.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int

from scribe_suite.errors import InfrastructureError
from scribe_suite.untrusted_files import UntrustedFileError, UntrustedFolder, write_all

VERSION = 1
#: Its file name in the outputs of an attempt.
FILE_NAME = "experiments.jsonl"
#: Most lines for each event that costs nothing.
MAX_FREE_LINES = 1000
#: Most token ids that are written in full, and most JSON characters of any field.
MAX_IDS, MAX_TEXT = 4096, 1 << 16
#: Size of a record, in bytes, above which its fields are shortened.
MAX_IN_FULL, SHORT_TEXT = 256 << 20, 256

Event = Literal["run", "repeated", "refused", "failed"]
_FREE: tuple[Event, ...] = ("repeated", "refused", "failed")


class ExperimentRecord:
    """Writes the events of a laboratory, line by line. Safe to use from several threads.

    Args:
        path: File to append to; created when missing.
        **first: JSON-safe content of the first line.

    Raises:
        InfrastructureError: With cause ``laboratory`` when it can't be written.
    """

    def __init__(self, path: Path, **first: Any) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._begin = time.monotonic()
        self._counts: Counter[str] = Counter()
        try:
            with UntrustedFolder(path.parent) as folder:
                self._file = folder.append(path.name)
        except OSError as error:
            raise self._unwritable(error) from error
        self._write("laboratory", {"version": VERSION, **first})

    def counts(self) -> dict[str, int]:
        """How often each event has happened."""
        with self._lock:
            return dict(self._counts)

    def add(self, event: Event, **fields: Any) -> int:
        """Record an event.

        Args:
            event: The event; see the module's documentation.
            **fields: JSON-safe content; long content is shortened.

        Returns:
            Its number among those of its kind, from 1.

        Raises:
            InfrastructureError: With cause ``laboratory`` when the line can't be written; it does not count then.
        """
        with self._lock:
            number = self._counts[event] + 1
            if event not in _FREE or number <= MAX_FREE_LINES:
                most = MAX_TEXT if self._file.closed or self._file.tell() < MAX_IN_FULL else SHORT_TEXT
                self._write(event, {"number": number} | {key: _bounded(value, most) for key, value in fields.items()})
            self._counts[event] = number
            return number

    def close(self, **fields: Any) -> None:
        """Write the last line and close the file. May be called twice.

        Raises:
            InfrastructureError: As in `add`; the file is closed nevertheless.
        """
        with self._lock:
            if self._file.closed:
                return
            try:
                self._write("end", {**fields, "counts": dict(self._counts)})
            finally:
                self._file.close()

    def _write(self, event: str, fields: dict[str, Any]) -> None:
        line = {"event": event, "time": round(time.monotonic() - self._begin, 4), **fields}
        if self._file.closed:
            raise self._unwritable(ValueError("it has been closed"))
        size = self._file.tell()
        try:
            write_all(self._file, json.dumps(line, separators=(",", ":")).encode() + b"\n")
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(size)  # a part of a line would spoil the next one
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError | ValueError) -> InfrastructureError:
        reason = error.strerror if isinstance(error, UntrustedFileError) else error
        return InfrastructureError("laboratory", f"The record of experiments {self.path} can't be written: {reason}.")


def described_tokens(tokens: Int[np.ndarray, "prompt position"], lengths: Sequence[int] | None) -> dict[str, Any]:
    """Prompts for a line: a few in full and without padding, more by shape and checksum."""
    if tokens.size > MAX_IDS:
        data = np.ascontiguousarray(tokens, dtype="<i8").tobytes()
        return {"tokens_shape": list(tokens.shape), "tokens_sha256": hashlib.sha256(data).hexdigest()}
    rows = tokens.tolist()
    return {"tokens": rows if lengths is None else [row[:n] for row, n in zip(rows, lengths, strict=True)]}


def _bounded(value: Any, most: int) -> Any:
    """A value, or the size and checksum of its JSON if that is long."""
    text = json.dumps(value)
    if len(text) <= most:
        return value
    size = len(value) if isinstance(value, (str, list, dict)) else 1
    return {"left_out": size, "sha256": hashlib.sha256(text.encode()).hexdigest()}
