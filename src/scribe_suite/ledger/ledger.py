"""The run's ledger: JSON lines, each flushed to the disk as soon as an attempt is over.

Everything else (tables, json-report, JUnit) can be made from it. A line is written whole or not at all, except where
the writer is killed in the middle of one; a reader skips a torn last line, so a killed run keeps all finished attempts,
and whoever takes the run up again cuts it off. A ledger is locked while a run writes it: two writers would spoil it.
"""

from __future__ import annotations

import fcntl
import io
import os
from collections.abc import Iterable, Iterator
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
            # no buffer: what a failed write left in one would be written again with the next line
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
            ConfigurationError: When the run still goes on, or the file can't be written, or is damaged.
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
        """Cut off what a killed writer left of its last line, and begin anew.

        Raises:
            OSError: When the disk is full.
        """
        end = _end_of_lines(self._file)
        self._file.truncate(end)
        self._file.seek(end)
        self._write(line)

    def leave(self) -> None:
        """Close the file as it is, and let others write it."""
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
        records: All records of attempts, in the order they ended. An attempt has several when infrastructure failed it
            and a resumed run made it again.
        end: The last line, or None when the run was cut off.
        resumes: One line for each time that the run was taken up again.
    """

    header: RunHeader
    records: tuple[AttemptRecord, ...]
    end: RunEnd | None
    resumes: tuple[RunResume, ...] = ()

    @cached_property
    def attempts(self) -> tuple[AttemptRecord, ...]:
        """The record of each attempt that stands, see `in_effect`."""
        return tuple(in_effect(self.records))


def read_ledger(path: Path) -> Ledger:
    """Read a ledger, also one whose run was killed or still goes on.

    Raises:
        ConfigurationError: When the file is missing, is no ledger, or is damaged before its last line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"The ledger {path} can't be read ({error.strerror}).") from error
    return _parsed(path, content)


def is_being_written(path: Path) -> bool:
    """Whether a run that goes on holds the ledger's lock, as far as the file system has locks.

    Raises:
        OSError: When it can't be opened.
    """
    with path.open("r+b", buffering=0) as file:
        return not _locked(file)


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of a ledger one by one, the header first: for ledgers too large to be kept in memory.

    Raises:
        ConfigurationError: As `read_ledger`, when the line is reached that is wrong.
    """
    try:
        with path.open("rb") as file:
            yield from _lines(path, file)
    except OSError as error:
        raise ConfigurationError(f"The ledger {path} can't be read ({error.strerror}).") from error


def _lines(path: Path, content: Iterable[bytes]) -> Iterator[Line]:
    """Validate lines that still have their newline; one without was cut off in writing, and is left out."""
    torn = begun = False
    for number, line in enumerate(content, start=1):
        if not line.endswith(b"\n"):
            torn = True
            break
        try:
            parsed = _LINE.validate_json(line)
        except ValidationError as error:
            raise ConfigurationError(
                f"Line {number} of {path} is not a line of a ledger: name a file runs/<run>.jsonl."
            ) from error
        if not begun and not isinstance(parsed, RunHeader):
            break
        begun = True
        yield parsed
    if not begun:
        state = "is cut off in its header" if torn else "has no header"
        raise ConfigurationError(f"{path} {state}: name a file runs/<run>.jsonl.")


def _parsed(path: Path, content: bytes) -> Ledger:
    header, *lines = _lines(path, io.BytesIO(content))
    assert isinstance(header, RunHeader)
    # an end with a resumption behind it is the end of what was run before
    ends = [line for line in lines if isinstance(line, RunEnd | RunResume)]
    return Ledger(
        header=header,
        records=tuple(line for line in lines if isinstance(line, AttemptRecord)),
        end=ends[-1] if ends and isinstance(ends[-1], RunEnd) else None,
        resumes=tuple(line for line in lines if isinstance(line, RunResume)),
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
    """Let the file's name survive a power cut as well; where folders can't be synced, nothing is lost by trying."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _locked(file: FileIO) -> bool:
    """Take the lock of an open file, which the system gives back when the process ends, however it does.

    Returns:
        False when somebody else has it; True on a file system that has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _end_of_lines(file: FileIO) -> int:
    """Where the last newline ends, in bytes from the beginning."""
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
