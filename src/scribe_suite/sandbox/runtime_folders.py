"""Private temporary folders with a short path, which a later run removes when their owner was killed.

A folder holds a locked file for as long as its owner lives; a folder whose lock can be had has no owner.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

PREFIX = "scribe-"
_LOCK = ".lock"


class RuntimeFolder:
    """A folder of this process.

    Args:
        passable: Whether other users may pass through (not list) it, on the way to folders of their own.

    Attributes:
        path: Where it is.
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
        """Remove it with all that is in it; may be called twice."""
        remove_tree(self.path)
        self._lock.close()


@functools.cache
def _sweep(place: Path) -> None:
    """Remove what killed processes of this user left behind; once per process."""
    for folder in place.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            with (folder / _LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held by its owner, or no owner is left
                remove_tree(folder)


def short_temporary_folder() -> Path:
    """A folder for sockets, whose whole path may have 107 bytes: the usual temporary folder unless that is long."""
    usual = Path(tempfile.gettempdir())
    return usual if len(str(usual)) <= 40 else Path("/tmp")


def remove_tree(folder: Path) -> None:
    """Remove a folder that a kernel may have filled: unreadable parts and any depth included."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):  # they don't recurse
            subprocess.run([*command, "--", str(folder)], stderr=subprocess.DEVNULL, check=False)
