"""The files of an attempt, copied next to its page so that links to them work everywhere.

A browser opens a file by its name, and some names make it run the content (``x.html``, ``x.svg``). Such files are
copied as text, with ``.txt`` added to their name.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from scribe_suite.untrusted_files import MAX_DEPTH, UntrustedFolder

#: Larger files are listed, not copied.
MAX_BYTES = 100_000_000

#: Suffixes that every browser treats as inert.
_SHOWN_AS_DATA = frozenset({".gif", ".jpeg", ".jpg", ".json", ".png", ".txt"})

#: A browser that does not know a suffix looks at the content, so files with these keep their names only when they begin
#: like JSON.
_JSON_BY_ANOTHER_NAME = frozenset({".ipynb", ".jsonl"})

_BEGINNING = 256
_CHUNK = 1 << 20


@dataclass(frozen=True)
class RawFile:
    """One file of an attempt.

    Attributes:
        name: Its path in the attempt's folder.
        href: The copy's path, relative to the report; None when it was not copied.
        size: Bytes.
        reason: Why it was not copied, or empty.
    """

    name: str
    href: str | None
    size: int
    reason: str = ""


def copy_raw_files(folder: UntrustedFolder, report: Path, place: str) -> list[RawFile]:
    """Copy every regular file of an attempt; links are not followed, since they could lead anywhere.

    Args:
        folder: The attempt's folder.
        report: The report being written.
        place: Folder for the copies, relative to it.
    """
    names = [PurePosixPath(name) for name in folder.files(depth=MAX_DEPTH)]
    return [_copied(folder, name, report, place) for name in names if not name.name.startswith(".")]


def _copied(folder: UntrustedFolder, name: PurePosixPath, report: Path, place: str) -> RawFile:
    try:
        file = folder.open(str(name))
    except OSError as error:
        return RawFile(str(name), None, 0, error.strerror or type(error).__name__)
    with file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_BYTES:
            return RawFile(str(name), None, size, "too large to be copied")
        target = report / place / _harmless_name(name, file.read(_BEGINNING))
        file.seek(0)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as copy:
            left = size  # and no more: it may grow while it is copied
            while left and (part := file.read(min(left, _CHUNK))):
                left -= copy.write(part)
    return RawFile(str(name), quote(target.relative_to(report).as_posix()), size)


def _harmless_name(name: PurePosixPath, beginning: bytes) -> PurePosixPath:
    suffix = name.suffix.lower()
    like_json = beginning.lstrip().startswith((b"{", b"["))
    if suffix in _SHOWN_AS_DATA or (suffix in _JSON_BY_ANOTHER_NAME and like_json):
        return name
    return name.with_name(f"{name.name}.txt")
