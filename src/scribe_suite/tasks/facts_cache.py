"""Keeps the facts of a checkout's tasks in the user's cache, so that listing them needs no import of their files.

Cached facts are valid only for exactly the files they were made from: the whole package and the families' folders, by
content. In any other case, such as a damaged file or an unwritable cache, the task files are imported; this is never an
error.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

import scribe_suite
from scribe_suite.paths import SHIPPED, lookup_roots, user_cache
from scribe_suite.tasks.facts import TaskFacts

#: Folders of ``ground_truth/`` without code or data of tasks.
NOT_FAMILIES = frozenset({"solutions", "frozen", "measured"})
#: How many checkouts' facts are kept; the oldest are dropped.
_LARGEST_NUMBER = 32
_FORMAT = "2"


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    key: str
    tasks: tuple[TaskFacts, ...]


def read_facts(root: Path, key: str) -> list[TaskFacts] | None:
    """The cached facts of a checkout.

    Args:
        root: The checkout.
        key: `sources_key` of it.

    Returns:
        None when nothing is cached, or it was made from other files.
    """
    try:
        kept = _Kept.model_validate_json(_path(root).read_bytes())
    except (OSError, ValidationError):
        return None
    return list(kept.tasks) if kept.key == key else None


def keep_facts(root: Path, key: str, facts: Sequence[TaskFacts]) -> None:
    """Cache the facts of a checkout; does nothing where the cache can't be written.

    Args:
        root: The checkout.
        key: `sources_key` of it before its task files were imported.
        facts: The facts of all tasks.
    """
    path = _path(root)
    kept = _Kept(key=key, tasks=tuple(facts))
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=f"{path.stem}.", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "w") as file:
                file.write(kept.model_dump_json())
            Path(part).replace(path)  # several workers may write the same at the same time
        finally:
            Path(part).unlink(missing_ok=True)
        _forget_oldest(path.parent)


def forget_facts(root: Path) -> None:
    """Remove the cached facts of a checkout."""
    with suppress(OSError):
        _path(root).unlink(missing_ok=True)


def sources_key(root: Path) -> str | None:
    """Hash of everything that facts are made from; reading four hundred small files takes 15 ms.

    Returns:
        None where something can't be read; nothing is cached then.
    """
    digest = hashlib.sha256(f"{_FORMAT} {sys.version}".encode())
    for path in sorted(_sources(root)):
        try:
            content = path.read_bytes()
        except OSError:
            return None
        digest.update(os.fsencode(path) + b"\0" + str(len(content)).encode() + b"\0" + content)
    return digest.hexdigest()


def _path(root: Path) -> Path:
    name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    return user_cache() / "tasks" / f"{name}.json"


def _forget_oldest(folder: Path) -> None:
    kept = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in kept[_LARGEST_NUMBER:]:
        path.unlink(missing_ok=True)


def _sources(root: Path) -> Iterator[Path]:
    families = (
        folder
        for one in lookup_roots(root)
        for folder in (one / "ground_truth").glob("*/")
        if folder.name not in NOT_FAMILIES
    )
    package = Path(scribe_suite.__file__).parent
    for folder in (package, *families):
        for place, folders, files in os.walk(folder):
            left_out = {"__pycache__", SHIPPED} if Path(place) == package else {"__pycache__"}
            folders[:] = [name for name in folders if name not in left_out]
            yield from (Path(place, name) for name in files if not name.startswith("."))  # editors leave such
