"""Which folder is an attempt's, and which files in it are read: a ledger and its folders may come from anybody.

A ledger lies beside its attempts' folders, except a merged one, whose attempts lie where those of the parts do. So that
no ledger makes a report of something else on this machine, a folder elsewhere is read only if its own results say what
the ledger says; and links are never followed, because they could lead anywhere.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scribe_suite.results.families import family_view
from scribe_suite.results.records import AttemptRecord

_MAX_RESULTS_BYTES = 1_000_000
_ALWAYS_TOLD = frozenset({"provider", "trial", "outcome", "skill", "metrics"})


def attempt_folder(results: Path, record: AttemptRecord) -> Path | None:
    """The folder of an attempt, or None when there is none that may be read.

    Args:
        results: The resolved folder that the ledger lies in.
        record: From the ledger.
    """
    if record.folder is None or "\0" in record.folder:
        return None
    folder = (results / record.folder).resolve()
    if not folder.is_dir() or folder == results:
        return None
    return folder if folder.is_relative_to(results) or _is_of(folder, record) else None


def regular_files(folder: Path, pattern: str) -> list[Path]:
    """Files in a folder of an attempt, sorted by name; no links, no pipes, and nothing when the folder is a link.

    Args:
        folder: ``notebooks``, ``results`` or ``outputs``.
        pattern: As `Path.glob` takes it.
    """
    if folder.is_symlink():
        return []
    return sorted(path for path in folder.glob(pattern) if path.is_file() and not path.is_symlink())


def _is_of(folder: Path, record: AttemptRecord) -> bool:
    """Whether the results that were written into the folder are this record's."""
    for path in regular_files(folder / "results", family_view(record.family).result_file):
        try:
            if path.stat().st_size <= _MAX_RESULTS_BYTES:
                return _says_the_same(json.loads(path.read_bytes()), record)
        except (OSError, ValueError, RecursionError):
            return False
    return False


def _says_the_same(content: Any, record: AttemptRecord) -> bool:
    entry = content.get(record.task.partition("/")[2]) if isinstance(content, dict) else None
    if not isinstance(entry, dict) or not entry.keys() >= _ALWAYS_TOLD:
        return False
    told = record.model_dump(mode="json")
    return all(name in told and told[name] == value for name, value in entry.items())
