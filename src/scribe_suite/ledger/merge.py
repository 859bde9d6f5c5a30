"""Merges the ledgers of parts of one run, such as shards and jobs of a matrix, into one.

Parts belong to one run when everything that defines a run is equal. A refusal names everything that prevents merging,
because a CI job can't ask anyone.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from scribe_suite.errors import ConfigurationError
from scribe_suite.exit_codes import EXIT_LOST_OR_INFRASTRUCTURE
from scribe_suite.ledger.ledger import Ledger, read_ledger
from scribe_suite.ledger.lock_differences import INSTANCE_SEEDS, MACHINE, PROVIDERS, TASKS, lock_differences
from scribe_suite.ledger.records import ALL_ARMS, ALL_LEVELS, AttemptRecord, RunEnd, RunHeader, RunResume
from scribe_suite.untrusted_files import UntrustedFolder

_SHOWN = 10
#: Parts of a lock that are not compared: machines of one job matrix may differ, which changes times but not scores; the
#: header has the other machines as well.
_NOT_OF_LOCK = (MACHINE, "isolation", "limits")
#: Fields of the header that must be equal.
_EQUAL = ("format", "run_seed", "seed_mode", "isolation", "limits", "pass_mark", "record_only")
#: Fields of the header that must be equal where parts have them.
_EQUAL_IF_GIVEN = ("model",)
_UNEQUAL_ADVICE = {"run_seed": "give all parts one --instance-seed, so that providers meet the same instances"}

#: Exit codes that say more than that tests failed, the most informative first; 5 (an empty shard) is not one of them.
_SERIOUS_EXITS = (EXIT_LOST_OR_INFRASTRUCTURE, 2, 4)

_T = TypeVar("_T")


@dataclass(frozen=True)
class Merged:
    """The result of merging, for the message."""

    attempts: int
    planned: int
    complete: bool


def merge_ledgers(paths: Sequence[Path], output: Path, planned: Collection[str] = ()) -> Merged:
    """Write one ledger from several; it appears complete or not at all.

    Args:
        paths: The parts.
        output: A file that does not exist yet.
        planned: Node ids of all attempts of the whole run, where known: those that are in no part are missing, and
            shards without any may be left out.

    Raises:
        ConfigurationError: When a part can't be read, the parts are not of one run, an attempt is in several of them,
            or the output can't be written.
    """
    if output.exists():
        raise ConfigurationError(f"{output} exists: name a new file, or remove it.")
    ledgers = [(path, read_ledger(path)) for path in paths]
    _refuse_conflicts(ledgers)
    _refuse_duplicates(ledgers)
    # sorted is stable: records of one attempt stay in the order in which they were written
    records = sorted(
        (record for path, ledger in ledgers for record in _moved(ledger.records, path, output)),
        key=lambda record: (record.started is not None, record.started, record.nodeid),
    )
    header = _header(output, [ledger.header for _, ledger in ledgers])
    not_begun = sorted(set(planned) - set(header.planned))
    if planned:
        header = header.model_copy(update={"planned": (*header.planned, *not_begun), "shard": None})
    resumes = sorted((line for _, ledger in ledgers for line in ledger.resumes), key=lambda line: line.resumed)
    end = None if not_begun else _end([ledger for _, ledger in ledgers], header, records)
    _write(output, [header, *resumes, *records, *([end] if end else [])])
    attempts = len({record.nodeid for record in records})
    return Merged(attempts, len(header.planned), end is not None)


def _refuse_conflicts(ledgers: Sequence[tuple[Path, Ledger]]) -> None:
    labels = _labels(path for path, _ in ledgers)
    parts = [(labels[path], ledger.header) for path, ledger in ledgers]
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


def _refuse_duplicates(ledgers: Sequence[tuple[Path, Ledger]]) -> None:
    found: dict[str, list[Path]] = {}
    for path, ledger in ledgers:
        for record in ledger.attempts:
            found.setdefault(record.nodeid, []).append(path)
    labels = _labels(path for path, _ in ledgers)
    twice = [
        f"{nodeid} (in {' and '.join(labels[path] for path in paths)})"
        for nodeid, paths in found.items()
        if len(paths) > 1
    ]
    if twice:
        raise ConfigurationError(f"Attempts are in more than one ledger: {_some(twice, ', ')}.")


def _labels(paths: Iterable[Path]) -> dict[Path, str]:
    """The files' names, or their paths where names repeat."""
    listed = list(paths)
    names = Counter(path.name for path in listed)
    return {path: path.name if names[path.name] == 1 else str(path) for path in listed}


def _some(lines: Sequence[str], separator: str) -> str:
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return separator.join([*lines[:_SHOWN], *more])


def _moved(records: Iterable[AttemptRecord], path: Path, output: Path) -> Iterable[AttemptRecord]:
    """Records of one ledger, with their folders' paths as seen from the new one."""
    here, there = path.parent.resolve(), output.parent.resolve()
    if here == there:
        return records
    way = os.path.relpath(here, there)
    return (
        record
        if record.folder is None
        else record.model_copy(update={"folder": Path(os.path.normpath(f"{way}/{record.folder}")).as_posix()})
        for record in records
    )


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
    """The lock of the whole run: every task and provider, every seed of an instance, and all machines."""
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
    """The common value of all parts, or all values as text."""
    different = sorted({str(value) for value in values})
    return values[0] if len(different) == 1 else "; ".join(different)


def _shard(shards: Sequence[str | None]) -> str | None:
    """None when the parts make up a whole run, else the shards that are present."""
    named = set(filter(None, shards))
    counts = {shard.partition("/")[2] for shard in named}
    if None in shards or (len(counts) == 1 and len(named) == int(*counts)):
        return None
    return ", ".join(sorted(named, key=lambda shard: [int(number) for number in re.findall(r"\d+", shard)]))


def _asked(asked: Sequence[str | None], everything: str) -> str | None:
    """What all parts were asked for, else everything: a resumed run selects from it by what was planned."""
    return asked[0] if len(set(asked)) == 1 else everything


def _same(values: Sequence[_T]) -> _T | None:
    """The common value of all parts, or None."""
    return values[0] if len(set(values)) == 1 else None


def _end(ledgers: Sequence[Ledger], header: RunHeader, attempts: Sequence[AttemptRecord]) -> RunEnd | None:
    """The end of the whole run, or None when a part was interrupted."""
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


def _write(output: Path, lines: Iterable[RunHeader | AttemptRecord | RunResume | RunEnd]) -> None:
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with UntrustedFolder(output.parent) as folder:
            folder.write(output.name, (line.model_dump_json().encode() + b"\n" for line in lines), durable=True)
    except OSError as error:
        raise ConfigurationError(f"{output} can't be written ({error.strerror}): name another file.") from error
