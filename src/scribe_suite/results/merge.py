"""Ledgers of parts of one run, such as shards and jobs of a matrix, brought together in one.

Parts are of one run when everything that defines a run is equal. What can't be merged is refused with all of its names,
because in a CI job there is nobody to ask.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scribe_suite.errors import ConfigurationError
from scribe_suite.results.ledger import Ledger, read_ledger
from scribe_suite.results.lock_differences import lock_differences
from scribe_suite.results.records import AttemptRecord, RunEnd, RunHeader

_SHOWN = 10
_MACHINE = ("platform",)
"""What machines of one job matrix may differ in: it changes times, not scores."""

_EQUAL = ("format", "run_seed", "seed_mode", "isolation", "limits", "pass_mark", "record_only")
"""Fields of the header that must be equal."""

_UNEQUAL_ADVICE = {"run_seed": "give all parts one --instance-seed, so that providers meet the same instances"}

_SERIOUS_EXITS = (3, 2, 4)
"""Exit codes that say more than that tests failed, the most telling first; 5 (an empty shard) is none."""


@dataclass(frozen=True)
class Merged:
    """What was merged, for the message."""

    attempts: int
    planned: int
    complete: bool


def merge_ledgers(paths: Sequence[Path], output: Path) -> Merged:
    """Write one ledger from several; it appears whole or not at all.

    Raises:
        ConfigurationError: When a part can't be read, parts are not of one run, an attempt is in several of them, or
            the output can't be written.
    """
    if output.exists():
        raise ConfigurationError(f"{output} exists: name a new file, or remove it.")
    ledgers = [(path, read_ledger(path)) for path in paths]
    _refuse_conflicts(ledgers)
    _refuse_duplicates(ledgers)
    attempts = sorted(
        (_moved(record, path, output) for path, ledger in ledgers for record in ledger.attempts),
        key=lambda record: (record.started is not None, record.started, record.nodeid),
    )
    header = _header(output, [ledger.header for _, ledger in ledgers])
    end = _end([ledger for _, ledger in ledgers], header, attempts)
    _write(output, [header, *attempts, *([end] if end else [])])
    return Merged(len(attempts), len(header.planned), end is not None)


def _refuse_conflicts(ledgers: Sequence[tuple[Path, Ledger]]) -> None:
    parts = [(_label(path, ledgers), ledger.header) for path, ledger in ledgers]
    lines = []
    for name in _EQUAL:
        values = {label: getattr(header, name) for label, header in parts}
        if len({repr(value) for value in values.values()}) > 1:
            told = ", ".join(f"{label}: {value}" for label, value in values.items())
            advice = f"; {_UNEQUAL_ADVICE[name]}" if name in _UNEQUAL_ADVICE else ""
            lines.append(f"{name} ({told}){advice}")
    lines += lock_differences([(label, header.lock) for label, header in parts], ignored=_MACHINE)
    if lines:
        raise ConfigurationError(f"The ledgers are not parts of one run; they differ in {_some(lines, '; ')}.")


def _refuse_duplicates(ledgers: Sequence[tuple[Path, Ledger]]) -> None:
    found: dict[str, list[str]] = {}
    for path, ledger in ledgers:
        for nodeid in dict.fromkeys(record.nodeid for record in ledger.attempts):
            found.setdefault(nodeid, []).append(_label(path, ledgers))
    twice = [f"{nodeid} (in {' and '.join(labels)})" for nodeid, labels in found.items() if len(labels) > 1]
    if twice:
        raise ConfigurationError(f"Attempts are in more than one ledger: {_some(twice, ', ')}.")


def _label(path: Path, ledgers: Sequence[tuple[Path, Ledger]]) -> str:
    """A file's name, or its path where names repeat."""
    return path.name if sum(other.name == path.name for other, _ in ledgers) == 1 else str(path)


def _some(lines: Sequence[str], separator: str) -> str:
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return separator.join([*lines[:_SHOWN], *more])


def _moved(record: AttemptRecord, path: Path, output: Path) -> AttemptRecord:
    """The record with its folder's path as seen from the new ledger."""
    if record.folder is None or path.parent.resolve() == output.parent.resolve():
        return record
    folder = os.path.relpath(path.parent.resolve() / record.folder, output.parent.resolve())
    return record.model_copy(update={"folder": Path(folder).as_posix()})


def _header(output: Path, headers: Sequence[RunHeader]) -> RunHeader:
    tasks: dict[str, Any] = {}
    for header in headers:
        tasks.update(header.lock.get("tasks", {}))
    lock = dict(headers[0].lock)
    if tasks:
        lock["tasks"] = dict(sorted(tasks.items()))
    for name in _MACHINE:
        if values := sorted({str(header.lock[name]) for header in headers if name in header.lock}):
            lock[name] = "; ".join(values)

    def joined(values: Callable[[RunHeader], Iterable[str]]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(value for header in headers for value in values(header)))

    return headers[0].model_copy(
        update={
            "run": output.stem,
            "started": min(header.started for header in headers),
            "planned": joined(lambda header: header.planned),
            "providers": joined(lambda header: header.providers),
            "trials": max(header.trials for header in headers),
            "isolation_reasons": joined(lambda header: header.isolation_reasons),
            "isolation_gaps": joined(lambda header: header.isolation_gaps),
            "lock": lock,
        }
    )


def _end(ledgers: Sequence[Ledger], header: RunHeader, attempts: Sequence[AttemptRecord]) -> RunEnd | None:
    """The end of the whole, or None when a part was cut off."""
    ends = [ledger.end for ledger in ledgers]
    if any(end is None for end in ends):
        return None
    given = [end for end in ends if end is not None]
    codes = {end.exit_code for end in given}
    recorded = {record.nodeid for record in attempts}
    return RunEnd(
        finished=max(end.finished for end in given),
        exit_code=next((code for code in _SERIOUS_EXITS if code in codes), max(codes - {5}, default=5)),
        missing=tuple(nodeid for nodeid in header.planned if nodeid not in recorded),
    )


def _write(output: Path, lines: Iterable[RunHeader | AttemptRecord | RunEnd]) -> None:
    part = output.with_name(f".{output.name}.part")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as file:
            file.writelines(line.model_dump_json() + "\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        part.replace(output)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise ConfigurationError(f"{output} can't be written ({error.strerror}): name another file.") from error
