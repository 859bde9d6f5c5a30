"""The run's ledger: JSON lines, each flushed to disk as soon as an attempt is over.

Everything else (tables, json-report, JUnit) can be made from it. A line is written whole or not at all, unless the
writer is killed while writing. A reader skips an incomplete last line, so a killed run keeps all finished attempts; a
resumed run removes that line. A ledger is locked while a run writes it: two writers would corrupt it.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from io import FileIO
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, TypeAdapter, ValidationError

from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.records import AttemptRecord, RunEnd, RunHeader, RunResume, in_effect

Line = RunHeader | AttemptRecord | RunResume | RunEnd
_LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="line")])


class LedgerWriter:
    """Appends lines to one ledger, which it keeps locked until it is closed or its process ends.

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
            # unbuffered: otherwise the rest of a failed write would be written again with the next line
            self._file = path.open("xb", buffering=0)
            _sync_folder(path.parent)
        except OSError as error:
            raise ConfigurationError(
                f"The ledger {path} can't be written ({error.strerror}): choose another --results-dir."
            ) from error
        _locked(self._file)  # nobody else knows the file yet
        self._write(header)

    @classmethod
    def reopen(cls, path: Path) -> tuple[Self, Ledger]:
        """Lock the ledger of an earlier run and read it; it is not changed before `resume`.

        Raises:
            ConfigurationError: When the run is still in progress, or the file can't be written or is damaged.
        """
        writer = cls.__new__(cls)
        writer.path = path
        try:
            file = writer._file = path.open("r+b", buffering=0)
        except OSError as error:
            raise ConfigurationError(f"The ledger {path} can't be written ({error.strerror}).") from error
        try:
            if not _locked(file):
                raise ConfigurationError(
                    f"The run {path.stem} is still in progress: wait for its end, or stop it. `scribe-suite watch "
                    f"{path}` "
                    "shows what it does."
                )
            ledger = _parsed(path, file.readall())
        except OSError as error:
            file.close()
            raise ConfigurationError(f"The ledger {path} can't be read ({error.strerror}).") from error
        except ConfigurationError:
            file.close()
            raise
        return writer, ledger

    def resume(self, line: RunResume) -> None:
        """Remove an incomplete last line that a killed writer left, and continue.

        Raises:
            OSError: When the disk is full.
        """
        end = _end_of_lines(self._file)
        self._file.truncate(end)
        self._file.seek(end)
        self._write(line)

    def leave(self) -> None:
        """Close the file without a last line, and release its lock."""
        self._file.close()

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
            # half a line in the middle would make everything after it unreadable
            self._file.truncate(end)
            self._file.seek(end)
            raise
        os.fsync(self._file.fileno())


@dataclass(frozen=True)
class Ledger:
    """A ledger that was read.

    Attributes:
        header: What was run.
        records: All records of attempts, in the order they ended. An attempt has several when infrastructure failed it
            and a resumed run made it again.
        end: The last line, or None when the run was cut off.
        resumes: One line for each time that the run was resumed.
    """

    header: RunHeader
    records: tuple[AttemptRecord, ...]
    end: RunEnd | None
    resumes: tuple[RunResume, ...] = ()

    @cached_property
    def attempts(self) -> tuple[AttemptRecord, ...]:
        """The valid record of each attempt, see `in_effect`."""
        return tuple(in_effect(self.records))


def read_ledger(path: Path) -> Ledger:
    """Read a ledger, even one whose run was killed or is still in progress.

    Raises:
        ConfigurationError: When the file is missing, is not a ledger, or is damaged before its last line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"The ledger {path} can't be read ({error.strerror}).") from error
    return _parsed(path, content)


def is_being_written(path: Path) -> bool:
    """Whether a run in progress holds the ledger's lock, if the file system has locks.

    Raises:
        OSError: When it can't be opened.
    """
    with path.open("r+b", buffering=0) as file:
        return not _locked(file)


def _parsed(path: Path, content: bytes) -> Ledger:
    lines = content.split(b"\n")
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
    # an end that is followed by a resumption belongs to the earlier part
    ends = [line for line in parsed if isinstance(line, RunEnd | RunResume)]
    return Ledger(
        header=parsed[0],
        records=tuple(line for line in parsed if isinstance(line, AttemptRecord)),
        end=ends[-1] if ends and isinstance(ends[-1], RunEnd) else None,
        resumes=tuple(line for line in parsed if isinstance(line, RunResume)),
    )


def ledger_schema() -> dict[str, Any]:
    """JSON Schema of a ledger's line."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of a ledger of the Scribe Task Suite",
        "description": "A ledger is JSON lines in UTF-8: a header, then attempts in the order they ended, then an end, "
        "which is missing when the run was cut off. A resumed run continues with a resume line, attempts and an end. "
        "If an attempt has several records, the last whose outcome counts is valid, or the last of all if none counts. "
        "Anything after the last newline is an incomplete write.",
        **_LINE.json_schema(),
    }


def _sync_folder(folder: Path) -> None:
    """Make the file's name survive a power failure too; where folders can't be synced, trying does no harm."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _locked(file: FileIO) -> bool:
    """Lock an open file; the system releases the lock when the process ends, in whatever way.

    Returns:
        False when another process has it; True on a file system without locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _end_of_lines(file: FileIO) -> int:
    """The position after the last newline, in bytes from the beginning."""
    step = 1 << 16
    at = file.seek(0, os.SEEK_END)
    while at > 0:
        begin = max(0, at - step)
        file.seek(begin)
        found = file.read(at - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        at = begin
    return 0
