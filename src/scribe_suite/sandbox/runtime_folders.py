"""Private temporary folders with a short path, which a later run removes when their owner was killed.

A folder contains a locked file as long as its owner lives; a folder whose lock is free has no owner.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from scribe_suite.untrusted_files import UntrustedFolder

PREFIX = "scribe-"
_LOCK = ".lock"


class RuntimeFolder:
    """A folder of this process.

    Args:
        passable: Whether other users may pass through (not list) it to their own folders.

    Attributes:
        path: Its path.
    """

    def __init__(self, passable: bool = False) -> None:
        place = short_temporary_folder()
        _sweep(place)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        self._lock = (self.path / _LOCK).open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        if passable:
            self.path.chmod(0o711)

    def remove(self) -> None:
        """Remove it with its content; may be called twice."""
        remove_tree(self.path)
        self._lock.close()


@functools.cache
def _sweep(place: Path) -> None:
    """Remove what killed processes of this user left behind; once per process.

    All users can create folders in the same place, with any content.
    """
    with contextlib.suppress(OSError), UntrustedFolder(place) as temporary:
        for name in os.listdir(place):  # noqa: PTH208
            with contextlib.suppress(OSError):
                if name.startswith(PREFIX) and temporary.stat(name).st_uid == os.geteuid():
                    with temporary.open(f"{name}/{_LOCK}") as lock:
                        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held by its owner, or no owner is left
                        remove_tree(place / name)


def short_temporary_folder() -> Path:
    """A folder for sockets, whose paths may have 107 bytes: the usual temporary folder unless that is long."""
    usual = Path(tempfile.gettempdir())
    return usual if len(str(usual)) <= 40 else Path("/tmp")


@contextlib.contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """A private temporary folder for the block; removing its content never touches anything outside.

    `tempfile.TemporaryDirectory` follows links when it makes files removable (CVE-2023-6597).
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield folder
    finally:
        remove_tree(folder)


def remove_tree(folder: Path) -> None:
    """Remove a folder that a kernel may have filled, including unreadable parts and any depth, without following links.

    What can't be removed stays, and the folder with it.
    """
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)  # works with descriptors, and nearly always does it
    with contextlib.suppress(OSError):
        parent = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _remove_stubborn(parent, folder.name)
        finally:
            os.close(parent)


def _remove_stubborn(parent: int, name: str) -> None:
    """Remove a folder by moving its subfolders out one by one: needs two descriptors, however deep it is."""
    top = _open_writable(parent, name)
    try:
        stuck: set[str] = set()
        while inner := [folder for folder in _left_folders(top) if folder not in stuck]:
            for folder in inner:
                try:
                    _take_apart(top, folder)
                except OSError:
                    stuck.add(folder)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=parent)


def _take_apart(top: int, name: str) -> None:
    """Remove a folder after moving its subfolders next to it."""
    descriptor = _open_writable(top, name)
    try:
        for deeper in _left_folders(descriptor):
            os.close(_open_writable(descriptor, deeper))  # it can only be moved when it can be written
            os.rename(deeper, secrets.token_hex(8), src_dir_fd=descriptor, dst_dir_fd=top)
    finally:
        os.close(descriptor)
    os.rmdir(name, dir_fd=top)


def _left_folders(folder: int) -> list[str]:
    """Remove everything in a folder except subfolders (links themselves included), and return what is left."""
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        if not is_folder:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=folder)
    return [name for name, is_folder in found if is_folder]


def _open_writable(parent: int, name: str) -> int:
    """Open a folder, never through a link, and give its owner full access."""
    flags = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    if not hasattr(os, "O_PATH"):
        os.chmod(name, 0o700, dir_fd=parent, follow_symlinks=False)
        return os.open(name, os.O_RDONLY | flags, dir_fd=parent)
    closed = os.open(name, os.O_PATH | flags, dir_fd=parent)
    try:
        if os.fstat(closed).st_mode & 0o700 != 0o700:
            os.chmod(f"/proc/self/fd/{closed}", 0o700)  # noqa: PTH101  (this very folder)
        return os.open(".", os.O_RDONLY | flags, dir_fd=closed)
    finally:
        os.close(closed)
