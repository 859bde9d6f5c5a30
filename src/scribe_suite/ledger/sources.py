"""Sources of results: ledgers, and pytest-json-report files of this suite.

Both provide the same: information about the run, and its attempts one after another. A reader asks only for the fields
it needs, so that 100,000 attempts need not be held as pydantic models.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.attempt_ids import AttemptId
from scribe_suite.ledger.records import AttemptRecord, RunEnd, RunHeader, RunResume, in_effect

_REPORT_KEY = "scribe_suite"
_RECORD: TypeAdapter[AttemptRecord] = TypeAdapter(AttemptRecord)
_ADVICE = "name a ledger runs/<run>.jsonl or a pytest-json-report of this suite"

_T = TypeVar("_T")


@dataclass
class RunInfo:
    """Information about a run besides its attempts.

    Attributes:
        path: The file it was read from.
        run: Run id.
        started: When; None when the file does not say.
        planned: Provider -> number of planned attempts.
        limits: The limits of an attempt, by the names in `RunHeader.limits`; empty when the file does not say.
        lock: What the run's numbers depend on, see `ledger.lock`; empty when the file does not say.
        complete: Whether the run finished.
        differences: What differed from `lock` when the run was resumed nevertheless.
    """

    path: Path
    run: str
    started: datetime | None = None
    planned: Counter[str] = field(default_factory=Counter)
    limits: Mapping[str, float] = field(default_factory=dict)
    lock: dict[str, Any] = field(default_factory=dict)
    complete: bool = True
    differences: tuple[str, ...] = ()


class Results(Protocol):
    """A run's results, wherever they are."""

    @property
    def info(self) -> RunInfo:
        """Information about the run besides its attempts."""
        ...

    def attempts(self, adapter: TypeAdapter[_T]) -> Iterator[_T]:
        """All attempts, each read with `adapter`."""
        ...


@dataclass(frozen=True)
class RecordedRun:
    """A run whose attempts are in memory, such as one that is just ending."""

    info: RunInfo
    records: Sequence[AttemptRecord]

    def attempts(self, adapter: TypeAdapter[_T]) -> Iterator[_T]:
        """All attempts, each read with `adapter`."""
        for record in self.records:
            yield adapter.validate_python(record.model_dump(mode="json"))


class Source:
    """One file of results.

    Args:
        path: A ledger or a report.

    Raises:
        ConfigurationError: When the file can't be read or is neither.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._report: dict[str, Any] | None = None
        try:
            with path.open("rb") as file:
                first = file.readline()
                if _is_ledger(first):
                    self.info = self._from_header(first)
                    return
                rest = file.read()
        except OSError as error:
            raise ConfigurationError(f"{path} can't be read ({error.strerror}): {_ADVICE}.") from error
        self._report = self._read_report(first + rest)
        self.info = self._from_report(self._report)

    def attempts(self, adapter: TypeAdapter[_T]) -> Iterator[_T]:
        """All attempts, each read with `adapter`; `info.complete` is known when they are over.

        Raises:
            ConfigurationError: When a line is damaged; an incomplete line at the end of a ledger is left out.
        """
        if self._report is not None:
            for number, entry in enumerate(_entries(self._report)):
                try:
                    yield adapter.validate_python(entry)
                except ValidationError as error:
                    raise self._damaged(f"Attempt {number + 1}", error) from error
            return
        try:
            with self._path.open("rb") as file:
                yield from self._lines(file, adapter)
        except OSError as error:
            raise ConfigurationError(f"{self._path} can't be read ({error.strerror}): {_ADVICE}.") from error

    def _lines(self, file: IO[bytes], adapter: TypeAdapter[_T]) -> Iterator[_T]:
        self.info.complete, self.info.differences = False, ()
        file.readline()
        for number, line in enumerate(file, start=2):
            if not line.endswith(b"\n"):
                return  # cut off while it was written
            try:
                if _is_line(line, "end"):
                    RunEnd.model_validate_json(line)
                    self.info.complete = True
                elif _is_line(line, "resume"):
                    self.info.complete = False
                    self.info.differences += RunResume.model_validate_json(line).differences
                else:
                    yield adapter.validate_json(line)
            except ValidationError as error:
                raise self._damaged(f"Line {number}", error) from error

    def _damaged(self, what: str, error: ValidationError) -> ConfigurationError:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        return ConfigurationError(
            f"{what} of {self._path} is not an attempt ({where + ': ' if where else ''}{first['msg']}): {_ADVICE}."
        )

    def _from_header(self, line: bytes) -> RunInfo:
        try:
            header = RunHeader.model_validate_json(line)
        except ValidationError as error:
            state = "is cut off in its header" if not line.endswith(b"\n") else "has no header"
            raise ConfigurationError(f"{self._path} {state}: {_ADVICE}.") from error
        return RunInfo(
            path=self._path,
            run=header.run,
            started=header.started,
            planned=planned_by_provider(header.planned),
            limits=header.limits,
            lock=header.lock,
        )

    def _read_report(self, content: bytes) -> dict[str, Any]:
        try:
            report = json.loads(content)
        except (ValueError, RecursionError):
            report = None
        if not isinstance(report, dict) or not isinstance(report.get("tests"), list):
            raise ConfigurationError(f"{self._path} is neither a ledger nor a report: {_ADVICE}.")
        if next(iter(_entries(report)), None) is None and _REPORT_KEY not in report:
            raise ConfigurationError(f"{self._path} is a report of tests that do not belong to this suite: {_ADVICE}.")
        return report

    def _from_report(self, report: dict[str, Any]) -> RunInfo:
        block = report.get(_REPORT_KEY)
        run = block.get("run") if isinstance(block, dict) else None
        created = report.get("created")
        environment = report.get("environment")
        lock = environment if isinstance(environment, dict) else {}
        nodes = [str(test.get("nodeid")) for test in report["tests"] if isinstance(test, dict)]
        return RunInfo(
            path=self._path,
            run=str(run or self._path.name.removesuffix(".json").removesuffix(".report")),
            started=datetime.fromtimestamp(created, UTC) if isinstance(created, int | float) else None,
            planned=planned_by_provider(nodes),
            limits=_numbers(lock.get("limits")),
            lock=lock,
        )


def read_records(path: Path) -> tuple[RunInfo, list[AttemptRecord]]:
    """The valid records of a run, with every field checked.

    Raises:
        ConfigurationError: When the file can't be read, is damaged, or is neither a ledger nor a report.
    """
    source = Source(path)
    return source.info, in_effect(source.attempts(_RECORD))


def planned_by_provider(nodeids: Iterable[str]) -> Counter[str]:
    """Count attempts by the provider that their node ids name; ordinary tests are left out."""
    return Counter(found.provider for found in map(AttemptId.parse, nodeids) if found)


def _entries(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for test in report["tests"]:
        metadata = test.get("metadata") if isinstance(test, dict) else None
        entry = metadata.get(_REPORT_KEY) if isinstance(metadata, dict) else None
        if isinstance(entry, dict):
            yield entry


def _numbers(value: object) -> dict[str, float]:
    """The positive numbers among what should be limits by name; reports are untrusted."""
    limits = value if isinstance(value, dict) else {}
    return {
        str(name): float(limit)
        for name, limit in limits.items()
        if isinstance(limit, int | float) and 0 < limit <= sys.float_info.max
    }


def _is_ledger(line: bytes) -> bool:
    """Whether this is the first line of a ledger, or the beginning of such a line."""
    return re.match(rb'\s*\{\s*"line"', line) is not None


def _is_line(line: bytes, kind: str) -> bool:
    return line.startswith((f'{{"line":"{kind}"'.encode(), f'{{"line": "{kind}"'.encode()))
