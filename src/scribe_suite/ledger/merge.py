"""Ledgers of parts of one run, such as shards and jobs of a matrix, merged into one.

Parts are of one run when everything that defines a run is equal. A refusal names everything that prevents merging,
because in a CI job there is nobody to ask.

Each record is validated once and kept as the line that it becomes, on the disk: a million attempts do not fit into the
memory of most machines. In memory are only headers and the order of records.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar, cast

from scribe_suite.errors import ConfigurationError
from scribe_suite.exit_codes import EXIT_LOST_OR_INFRASTRUCTURE
from scribe_suite.ledger.ledger import read_lines
from scribe_suite.ledger.lock_differences import INSTANCE_SEEDS, MACHINE, PROVIDERS, TASKS, lock_differences
from scribe_suite.ledger.records import ALL_ARMS, ALL_LEVELS, AttemptRecord, RunEnd, RunHeader, RunResume
from scribe_suite.untrusted_files import UntrustedFolder

_SHOWN = 10
#: Parts of a lock that are not compared: machines of one job matrix may differ, which changes times and not scores; the
#: header has the others as well.
_NOT_OF_LOCK = (MACHINE, "isolation", "limits")
#: Fields of the header that must be equal.
_EQUAL = ("format", "run_seed", "seed_mode", "isolation", "limits", "pass_mark", "record_only")
#: Fields of the header that must be equal where parts have them.
_EQUAL_IF_GIVEN = ("model",)
_UNEQUAL_ADVICE = {"run_seed": "give all parts one --instance-seed, so that providers meet the same instances"}

#: Exit codes that say more than that tests failed, the most telling first; 5 (an empty shard) is none.
_SERIOUS_EXITS = (EXIT_LOST_OR_INFRASTRUCTURE, 2, 4)

_T = TypeVar("_T")
_Other = RunHeader | RunResume | RunEnd


@dataclass(frozen=True)
class Merged:
    """What was merged, for the message.

    Attributes:
        path: The new ledger.
        attempts: That have a record.
        counting: Those of them that have one that counts.
        planned: Attempts of the whole.
        complete: Whether no part was cut off.
    """

    path: Path
    attempts: int
    counting: int
    planned: int
    complete: bool


def merge_ledgers(paths: Sequence[Path], output: Path, planned: Collection[str] = ()) -> Merged:
    """Write one ledger from several; it appears whole or not at all.

    Args:
        paths: The parts.
        output: A file that is not there yet.
        planned: Node ids of all attempts of the whole, where that is known: those that are in no part are missing, and
            shards that have none may be left out.

    Raises:
        ConfigurationError: When a part can't be read, parts are not of one run, an attempt is in several of them, or
            the output can't be written.
    """
    if output.exists():
        raise ConfigurationError(f"{output} exists: name a new file, or remove it.")
    with _spool(output) as spool:
        parts = [_Part(path) for path in paths]
        with _writing(output):
            for part in parts:
                part.read(spool, output)
            spool.flush()
        _refuse_conflicts(parts)
        _refuse_duplicates(parts)
        recorded = {nodeid for part in parts for nodeid in part.nodeids}
        header = _header(output, [part.header for part in parts])
        not_begun = sorted(set(planned) - set(header.planned))
        if planned:
            header = header.model_copy(update={"planned": (*header.planned, *not_begun), "shard": None})
        resumes = sorted((line for part in parts for line in part.resumes), key=lambda line: line.resumed)
        end = None if not_begun else _end([part.end for part in parts], header, recorded)
        _write(output, _joined([header, *resumes], _in_order(parts, spool), [end] if end else []))
    counting = len({nodeid for part in parts for nodeid in part.counting})
    return Merged(output, len(recorded), counting, len(header.planned), end is not None)


class _Spooled(NamedTuple):
    """A record's line in the spool. Those of one attempt stay in the order in which they were written, by `offset`."""

    begun: bool
    started: float
    nodeid: str
    offset: int
    size: int


class _Part:
    """One ledger of the whole, without its records.

    Args:
        path: Of the ledger.
    """

    header: RunHeader

    def __init__(self, path: Path) -> None:
        self.path = path
        self.resumes: list[RunResume] = []
        self.end: RunEnd | None = None
        self.spooled: list[_Spooled] = []
        self.counting: set[str] = set()

    @property
    def nodeids(self) -> Iterable[str]:
        """Of its attempts, each once."""
        return dict.fromkeys(record.nodeid for record in self.spooled)

    def read(self, spool: BinaryIO, output: Path) -> None:
        """Read the ledger, and write its records to the spool as they will stand in the output.

        Raises:
            ConfigurationError: When the ledger can't be read.
            OSError: When the spool can't be written.
        """
        moved = _mover(self.path, output)
        offset = spool.tell()
        for line in read_lines(self.path):
            if isinstance(line, AttemptRecord):
                written = _bytes(moved(line))
                spool.write(written)
                started = 0.0 if line.started is None else line.started.timestamp()
                self.spooled.append(_Spooled(line.started is not None, started, line.nodeid, offset, len(written)))
                offset += len(written)
                if line.counts:
                    self.counting.add(line.nodeid)
            elif isinstance(line, RunHeader):
                self.header = line
            elif isinstance(line, RunEnd):
                self.end = line
            else:  # an end with a resumption behind it is the end of what was run before
                self.end = None
                self.resumes.append(line)


def _refuse_conflicts(ledgers: Sequence[_Part]) -> None:
    labels = _labels(part.path for part in ledgers)
    parts = [(labels[part.path], part.header) for part in ledgers]
    lines = []
    for name in (*_EQUAL, *_EQUAL_IF_GIVEN):
        values = {label: getattr(header, name) for label, header in parts}
        if name in _EQUAL_IF_GIVEN:
            values = {label: value for label, value in values.items() if value is not None}
        if len({repr(value) for value in values.values()}) > 1:
            listed = ", ".join(f"{label}: {value}" for label, value in values.items())
            advice = f"; {_UNEQUAL_ADVICE[name]}" if name in _UNEQUAL_ADVICE else ""
            lines.append(f"{name} ({listed}){advice}")
    lines += lock_differences([(label, header.lock) for label, header in parts], ignored=_NOT_OF_LOCK)
    if lines:
        raise ConfigurationError(f"The ledgers are not parts of one run; they differ in {_some(lines, '; ')}.")


def _refuse_duplicates(parts: Sequence[_Part]) -> None:
    first: dict[str, _Part] = {}
    found: dict[str, list[Path]] = {}
    for part in parts:
        for nodeid in part.nodeids:
            earlier = first.setdefault(nodeid, part)
            if earlier is not part:
                found.setdefault(nodeid, [earlier.path]).append(part.path)
    if found:
        labels = _labels(part.path for part in parts)
        twice = [f"{nodeid} (in {' and '.join(labels[path] for path in paths)})" for nodeid, paths in found.items()]
        raise ConfigurationError(f"Attempts are in more than one ledger: {_some(twice, ', ')}.")


def _labels(paths: Iterable[Path]) -> dict[Path, str]:
    """Files' names, or their paths where names repeat."""
    listed = list(paths)
    names = Counter(path.name for path in listed)
    return {path: path.name if names[path.name] == 1 else str(path) for path in listed}


def _some(lines: Sequence[str], separator: str) -> str:
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return separator.join([*lines[:_SHOWN], *more])


def _mover(path: Path, output: Path) -> Callable[[AttemptRecord], AttemptRecord]:
    """What gives records of one ledger their folders' paths as seen from the new one."""
    way = os.path.relpath(path.parent.resolve(), output.parent.resolve())

    def moved(record: AttemptRecord) -> AttemptRecord:
        if way == os.curdir or record.folder is None:
            return record
        return record.model_copy(update={"folder": os.path.normpath(f"{way}/{record.folder}")})

    return moved


def _in_order(parts: Sequence[_Part], spool: BinaryIO) -> Iterator[bytes]:
    """The records' lines by when the attempts began."""
    for record in sorted(record for part in parts for record in part.spooled):
        yield os.pread(spool.fileno(), record.size, record.offset)


def _joined(before: Iterable[_Other], records: Iterable[bytes], after: Iterable[_Other]) -> Iterator[bytes]:
    yield from map(_bytes, before)
    yield from records
    yield from map(_bytes, after)


def _bytes(line: AttemptRecord | _Other) -> bytes:
    return line.model_dump_json().encode() + b"\n"


def _header(output: Path, headers: Sequence[RunHeader]) -> RunHeader:
    def joined(values: Callable[[RunHeader], Iterable[str]]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(value for header in headers for value in values(header)))

    return headers[0].model_copy(
        update={
            "run": output.stem,
            "started": min(header.started for header in headers),
            "planned": joined(lambda header: header.planned),
            "providers": joined(lambda header: header.providers),
            "trials": max(header.trials for header in headers),
            "levels": _asked([header.levels for header in headers], ALL_LEVELS),
            "arms": _asked([header.arms for header in headers], ALL_ARMS),
            "model": next((header.model for header in headers if header.model is not None), None),
            "shard": _shard([header.shard for header in headers]),
            "device": _same([header.device for header in headers]),
            "isolation_asked": _same([header.isolation_asked for header in headers]),
            "isolation_reasons": joined(lambda header: header.isolation_reasons),
            "isolation_gaps": joined(lambda header: header.isolation_gaps),
            "agent_isolation": _same([header.agent_isolation for header in headers]),
            "agent_isolation_gaps": joined(lambda header: header.agent_isolation_gaps),
            "lock": _lock([header.lock for header in headers]),
        }
    )


def _lock(locks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The lock of the whole: every task and provider, every seed of an instance, and all machines."""
    whole = dict(locks[0])
    for part in (TASKS, PROVIDERS):
        named: dict[str, Any] = {}
        for lock in locks:
            for name, facts in lock.get(part, {}).items():
                seeds = {**named.get(name, {}).get(INSTANCE_SEEDS, {}), **facts.get(INSTANCE_SEEDS, {})}
                named[name] = {**facts, **({INSTANCE_SEEDS: dict(sorted(seeds.items()))} if seeds else {})}
        if named:
            whole[part] = dict(sorted(named.items()))
    machines = [lock[MACHINE] for lock in locks if MACHINE in lock]
    if machines:
        facts = dict.fromkeys(name for machine in machines for name in machine)
        whole[MACHINE] = {name: _one_or_all([machine.get(name) for machine in machines]) for name in facts}
    return whole


def _one_or_all(values: Sequence[Any]) -> Any:
    """The value that all have, or all values as text."""
    different = sorted({str(value) for value in values})
    return values[0] if len(different) == 1 else "; ".join(different)


def _shard(shards: Sequence[str | None]) -> str | None:
    """None when the parts make up a whole run, else the shards that are there."""
    named = set(filter(None, shards))
    counts = {shard.partition("/")[2] for shard in named}
    if None in shards or (len(counts) == 1 and len(named) == int(*counts)):
        return None
    return ", ".join(sorted(named, key=lambda shard: [int(number) for number in re.findall(r"\d+", shard)]))


def _asked(asked: Sequence[str | None], everything: str) -> str | None:
    """What all parts were asked for, else everything: a resumed run chooses among it by what was planned."""
    return asked[0] if len(set(asked)) == 1 else everything


def _same(values: Sequence[_T]) -> _T | None:
    """The value that all have, or None."""
    return values[0] if len(set(values)) == 1 else None


def _end(ends: Sequence[RunEnd | None], header: RunHeader, recorded: Collection[str]) -> RunEnd | None:
    """The end of the whole, or None when a part was cut off."""
    if any(end is None for end in ends):
        return None
    given = [end for end in ends if end is not None]
    codes = {end.exit_code for end in given}
    return RunEnd(
        finished=max(end.finished for end in given),
        exit_code=next((code for code in _SERIOUS_EXITS if code in codes), max(codes - {5}, default=5)),
        missing=tuple(nodeid for nodeid in header.planned if nodeid not in recorded),
    )


@contextmanager
def _spool(output: Path) -> Iterator[BinaryIO]:
    """A file without a name, on the disk of the output."""
    with contextlib.ExitStack() as held:
        with _writing(output):
            output.parent.mkdir(parents=True, exist_ok=True)
            spool = held.enter_context(tempfile.TemporaryFile(dir=output.parent))
        yield cast(BinaryIO, spool)


@contextmanager
def _writing(output: Path) -> Iterator[None]:
    """Say in a sentence that the output can't be written."""
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"{output} can't be written ({error.strerror}): name another file.") from error


def _write(output: Path, lines: Iterable[bytes]) -> None:
    with _writing(output), UntrustedFolder(output.parent) as folder:
        folder.write(output.name, lines, durable=True)
