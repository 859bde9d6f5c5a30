"""Finds and opens the folder of an attempt: ledgers and folders are untrusted.

A ledger is next to its attempts' folders, except a merged one, whose attempts stay where the parts are. So that no
ledger can publish other files of this machine, a folder elsewhere is read only if its own results agree with the
ledger. Links are never followed, because they could lead anywhere. Reading uses the opened folder, whatever has its
name later.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scribe_suite.ledger.families import family_view
from scribe_suite.ledger.records import AttemptRecord
from scribe_suite.untrusted_files import UntrustedFolder

_MAX_RESULTS_BYTES = 1_000_000
_ALWAYS_TOLD = frozenset({"provider", "trial", "outcome", "skill", "metrics"})


def attempt_folder(results: Path, record: AttemptRecord) -> UntrustedFolder | None:
    """Open the folder of an attempt; None when there is none that may be read.

    Args:
        results: The ledger's folder.
        record: The attempt's record in the ledger.
    """
    if record.folder is None or "\0" in record.folder:
        return None
    if (beside := folder_beside(results, record.folder)) is not None:
        return beside
    path = _normal(results, record.folder)
    if path.is_relative_to(results.resolve()):
        return None
    try:
        with UntrustedFolder(path.parent) as place:
            elsewhere = place.folder(path.name)
    except (OSError, ValueError):
        return None
    if _is_of(elsewhere, record):
        return elsewhere
    elsewhere.close()
    return None


def folder_beside(results: Path, name: str) -> UntrustedFolder | None:
    """A folder below the one that a ledger lies in, open, or None when there is none.

    Args:
        results: The ledger's folder.
        name: The folder's name in the ledger.
    """
    results = results.resolve()
    path = _normal(results, name)
    if "\0" in name or path == results or not path.is_relative_to(results):
        return None
    try:
        with UntrustedFolder(results) as folder:
            return folder.folder(str(path.relative_to(results)))
    except (OSError, ValueError):
        return None


def _normal(results: Path, name: str) -> Path:
    """The path that a ledger means, determined from its text: the file system is not used."""
    return Path(os.path.normpath(results.resolve() / name))


@contextlib.contextmanager
def part_of(attempt: UntrustedFolder | None, name: str) -> Iterator[UntrustedFolder | None]:
    """Open a folder inside an attempt's; None when it does not exist or is a link.

    Args:
        attempt: The attempt's folder, if there is one.
        name: ``notebooks``, ``results`` or ``outputs``.
    """
    with contextlib.ExitStack() as stack:
        part = None
        with contextlib.suppress(OSError):
            part = stack.enter_context(attempt.folder(name)) if attempt is not None else None
        yield part


def _is_of(folder: UntrustedFolder, record: AttemptRecord) -> bool:
    """Whether the results in the folder belong to this record."""
    try:
        content = folder.read(f"results/{family_view(record.family).result_file}", _MAX_RESULTS_BYTES)
        return _says_the_same(json.loads(content), record)
    except (OSError, ValueError, RecursionError):
        return False


def _says_the_same(content: Any, record: AttemptRecord) -> bool:
    entry = content.get(record.task.partition("/")[2]) if isinstance(content, dict) else None
    if not isinstance(entry, dict) or not entry.keys() >= _ALWAYS_TOLD:
        return False
    recorded = record.model_dump(mode="json")
    return all(name in recorded and recorded[name] == value for name, value in entry.items())
