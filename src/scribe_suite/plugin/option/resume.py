"""``--resume RUN``: continues a run that was interrupted or had infrastructure failures.

The ledger says what was run and how; the command line may repeat it, but not contradict it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.ledger import Ledger, LedgerWriter
from scribe_suite.ledger.lock_differences import MACHINE, lock_differences
from scribe_suite.ledger.records import RunHeader
from scribe_suite.ledger.run_names import find_run
from scribe_suite.plugin.option.options import OPTIONS

_SHOWN = 20
_THEN, _NOW = "in the run", "now"


@dataclass(frozen=True)
class ResumedRun:
    """A run that is resumed.

    Attributes:
        writer: Writes its ledger, which is locked and not changed yet.
        ledger: The ledger before the resume.
        pending: Node ids of the attempts that are missing or had an infrastructure failure.
        anyway: Whether differences between the locks are accepted.
    """

    writer: LedgerWriter
    ledger: Ledger
    pending: tuple[str, ...]
    anyway: bool

    @property
    def header(self) -> RunHeader:
        """The header of its ledger."""
        return self.ledger.header

    def files(self, root: Path) -> list[str]:
        """The test files to collect: those of the remaining attempts, or of the whole run if none remain."""
        nodeids = self.pending or self.header.planned
        return [str(root / name) for name in dict.fromkeys(nodeid.partition("::")[0] for nodeid in nodeids)]

    def nothing_to_do(self) -> str:
        """Why there is nothing to run, as a sentence."""
        if self.pending:
            left = len(self.pending)
            return f"none of the {left} attempts of {self.header.run} that are left is among the selected tests."
        return f"nothing is left to run of {self.header.run}: all its {len(self.header.planned)} attempts count."

    def differences(self, lock: dict[str, Any]) -> list[str]:
        """The differences between `lock` and the run's lock that should not exist."""
        gone = [
            f"{name}: it is not here any more"
            for part in ("tasks", "providers")
            for name in self.header.lock.get(part, {})
            if name not in lock[part]
        ]
        return gone + lock_differences([(_THEN, self.header.lock), (_NOW, lock)], ignored=(MACHINE,))

    def machine_differences(self, lock: dict[str, Any]) -> list[str]:
        """The differences between the machines, which change times but not scores."""
        then, now = ({MACHINE: locked.get(MACHINE, {})} for locked in (self.header.lock, lock))
        return lock_differences([(_THEN, then), (_NOW, now)])


RESUMED = pytest.StashKey[ResumedRun]()


def reopen_run(name: str, results_dir: Path, *, anyway: bool) -> ResumedRun:
    """Lock and read the ledger of a run.

    Args:
        name: A ledger, or the id of a run.
        results_dir: Where the ledgers of run ids are.
        anyway: Whether differences between the locks are accepted.

    Raises:
        pytest.UsageError: When there is no such run, or it is still in progress.
    """
    try:
        path = find_run(name, results_dir)
        writer, ledger = LedgerWriter.reopen(path)
    except ConfigurationError as error:
        raise pytest.UsageError(f"--resume: {error}") from error
    header = ledger.header
    if header.run != path.stem:
        writer.leave()
        raise pytest.UsageError(
            f"--resume: {path} is the ledger of the run {header.run}: give it back its name {header.run}.jsonl."
        )
    counted = {record.nodeid for record in ledger.attempts if record.counts}
    pending = tuple(nodeid for nodeid in header.planned if nodeid not in counted)
    return ResumedRun(writer, ledger, pending, anyway)


def kept_values(given: Mapping[str, Any], resumed: ResumedRun, results_dir: Path) -> dict[str, Any]:
    """The values of options, replaced by the run's values where it keeps them.

    Args:
        given: Option -> its value on the command line, or None.
        resumed: The run.
        results_dir: The folder that ``--results-dir`` names, where it was given.

    Raises:
        pytest.UsageError: When an option contradicts the run.
    """
    header = resumed.header
    values = dict(given)
    contradicting = []
    for option in OPTIONS:
        if option.kept is None:
            continue
        # also where the option was given: an equivalent value, such as 'fresh', need not equal the recorded one
        values[option.name] = option.kept.recorded(header)
        value = given[option.name]
        if value is not None and option.kept.contradicted(value, header):
            contradicting.append(f"{option.flag} ({_THEN}: {option.kept.shown_value(header)})")
    folder = resumed.writer.path.parent
    if given["results_dir"] is not None and results_dir.resolve() != folder.resolve():
        contradicting.append(f"--results-dir ({_THEN}: {folder})")
    if contradicting:
        raise pytest.UsageError(
            f"--resume: the run {header.run} was started with other options: leave out {', '.join(contradicting)}."
        )
    return values


def listed(lines: Sequence[str]) -> str:
    """Several lines as one text."""
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return "; ".join([*lines[:_SHOWN], *more])
