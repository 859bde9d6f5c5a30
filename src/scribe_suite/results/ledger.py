"""The run's ledger: JSON lines, each flushed to the disk as soon as an attempt is over.

Everything else (tables, json-report, JUnit) can be made from it. A line is written whole or not at all, except where
the writer is killed in the middle of one; a reader skips a torn last line, so a killed run keeps all finished attempts.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from scribe_suite.errors import ConfigurationError
from scribe_suite.results.records import AttemptRecord, RunEnd, RunHeader

Line = RunHeader | AttemptRecord | RunEnd
_LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="line")])


class LedgerWriter:
    """Appends lines to one ledger.

    Args:
        path: A file that does not exist yet.
        header: Written at once.

    Raises:
        ConfigurationError: When the file can't be made.
    """

    def __init__(self, path: Path, header: RunHeader) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # no buffer: what a failed write left in one would be written again with the next line
            self._file = path.open("xb", buffering=0)
            _sync_folder(path.parent)
        except OSError as error:
            raise ConfigurationError(
                f"The ledger {path} can't be written ({error.strerror}): choose another --results-dir."
            ) from error
        self._write(header)

    def append(self, record: AttemptRecord) -> None:
        """Write one attempt; it is on the disk when this returns."""
        self._write(record)

    def close(self, end: RunEnd) -> None:
        """Write the last line and close the file."""
        self._write(end)
        self._file.close()

    def _write(self, line: Line) -> None:
        end = self._file.tell()
        left = memoryview(line.model_dump_json().encode() + b"\n")
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            # half a line in the middle would make all that follow unreadable
            self._file.truncate(end)
            self._file.seek(end)
            raise
        os.fsync(self._file.fileno())


@dataclass(frozen=True)
class Ledger:
    """A ledger that was read.

    Attributes:
        header: What was run.
        attempts: One record per attempt, in the order they ended.
        end: The last line, or None when the run was cut off.
    """

    header: RunHeader
    attempts: tuple[AttemptRecord, ...]
    end: RunEnd | None


def read_ledger(path: Path) -> Ledger:
    """Read a ledger, also one whose run was killed.

    Raises:
        ConfigurationError: When the file is missing, is no ledger, or is damaged before its last line.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ConfigurationError(f"The ledger {path} can't be read ({error.strerror}).") from error
    torn = lines.pop()  # what follows the last newline was cut off in writing, or is empty
    parsed: list[Line] = []
    for number, line in enumerate(lines, start=1):
        try:
            parsed.append(_LINE.validate_json(line))
        except ValidationError as error:
            raise ConfigurationError(
                f"Line {number} of {path} is not a line of a ledger: name a file runs/<run>.jsonl."
            ) from error
    if not parsed or not isinstance(parsed[0], RunHeader):
        state = "is cut off in its header" if torn else "has no header"
        raise ConfigurationError(f"{path} {state}: name a file runs/<run>.jsonl.")
    return Ledger(
        header=parsed[0],
        attempts=tuple(line for line in parsed if isinstance(line, AttemptRecord)),
        end=next((line for line in parsed if isinstance(line, RunEnd)), None),
    )


def ledger_schema() -> dict[str, Any]:
    """JSON Schema of a ledger's line."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of a ledger of the Scribe Task Suite",
        "description": "A ledger is JSON lines in UTF-8: a header, then attempts in the order they ended, then an end, "
        "which is missing when the run was cut off. What follows the last newline was cut off too.",
        **_LINE.json_schema(),
    }


def _sync_folder(folder: Path) -> None:
    """Let the file's name survive a power cut as well; where folders can't be synced, nothing is lost by trying."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
