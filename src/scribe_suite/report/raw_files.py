"""The files of an attempt, copied beside its page so that links to them work everywhere.

A browser opens a file by its name, and some names make it run what is inside (``x.html``, ``x.svg``). Those are copied
as text: with ``.txt`` behind their name.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

MAX_BYTES = 100_000_000
"""Larger files are named, not copied."""

_SHOWN_AS_DATA = frozenset({".gif", ".jpeg", ".jpg", ".json", ".png", ".txt"})
"""Names by which every browser knows that there is nothing to run."""

_JSON_BY_ANOTHER_NAME = frozenset({".ipynb", ".jsonl"})
"""A browser that does not know a name looks at the content, so these keep theirs only when they begin like JSON."""


@dataclass(frozen=True)
class RawFile:
    """One file of an attempt.

    Attributes:
        name: Its path in the attempt's folder.
        href: Where the copy lies, relative to the report; None when it was not copied.
        size: Bytes.
    """

    name: str
    href: str | None
    size: int


def copy_raw_files(folder: Path, report: Path, place: str) -> list[RawFile]:
    """Copy every regular file of an attempt; links are not followed, they could lead anywhere.

    Args:
        folder: The attempt's.
        report: The report being written.
        place: Folder for the copies, relative to it.
    """
    copied = []
    for path in _regular_files(folder):
        relative = path.relative_to(folder)
        size = path.stat().st_size
        if size > MAX_BYTES:
            copied.append(RawFile(str(relative), None, size))
            continue
        target = report / place / _harmless_name(path, relative)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        copied.append(RawFile(str(relative), quote(target.relative_to(report).as_posix()), size))
    return copied


def _regular_files(folder: Path) -> list[Path]:
    found: list[Path] = []
    for parent, _, names in os.walk(folder, followlinks=False):
        paths = [Path(parent, name) for name in names if not name.startswith(".")]
        found.extend(path for path in paths if path.is_file() and not path.is_symlink())
    return sorted(found)


def _harmless_name(path: Path, relative: Path) -> Path:
    suffix = relative.suffix.lower()
    if suffix in _SHOWN_AS_DATA or (suffix in _JSON_BY_ANOTHER_NAME and _begins_like_json(path)):
        return relative
    return relative.with_name(f"{relative.name}.txt")


def _begins_like_json(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(256).lstrip().startswith((b"{", b"["))
