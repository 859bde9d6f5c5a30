"""Limits the concurrent attempts of a provider over all workers, and applies the pauses that its service asks for.

Workers share only a folder. A slot is a lock on a file in it, which the system releases whatever happens to the worker.
A pause is the time until which no attempt may start, as text in a file.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Protocol

from scribe_suite.errors import InfrastructureError
from scribe_suite.untrusted_files import UntrustedFolder

#: Seconds between two checks for a free slot.
POLL_S = 0.2
#: Longest pause, in seconds: the file may contain anything.
LONGEST_PAUSE_S = 900.0
#: Bytes that are read of that file.
MAX_PAUSE_BYTES = 100


class Place(Protocol):
    """A slot that is held."""

    def close(self) -> None:
        """Release it."""


class Slots:
    """The slots of one provider.

    Args:
        folder: Shared by all workers of the run, two levels below the results folder; created when needed.
        provider: Name of the provider.
        places: How many attempts may run at the same time, or None for any number.
    """

    def __init__(self, folder: Path, provider: str, places: int | None = None) -> None:
        self._folder = folder
        self._results, self._below = folder.parents[1], "/".join(folder.parts[-2:])
        self._provider = provider
        self._places = places

    @contextmanager
    def place(self) -> Iterator[None]:
        """Wait for a slot and for the end of a pause, and hold the slot in the block.

        The order is not first come, first served: workers poll.

        Raises:
            InfrastructureError: With cause ``slots`` when the folder can't be used.
        """
        if self._places is None:
            self._wait_for_pause()
            yield
            return
        lock = self._take()
        try:
            self._wait_for_pause()
            yield
        finally:
            lock.close()

    def pause(self, seconds: float) -> None:
        """Let no attempt of this provider start for this time; an earlier, longer pause remains."""
        end = time.time() + min(max(seconds, 0.0), LONGEST_PAUSE_S)
        if end <= self._paused_until():
            return
        # failing to write a pause is not a reason to lose an attempt
        with contextlib.suppress(OSError), self._made() as folder:
            folder.write(self._pause_name, [f"{end:.3f}\n".encode()])

    def pause_left(self) -> float:
        """Seconds until an attempt of this provider may start."""
        return min(max(0.0, self._paused_until() - time.time()), LONGEST_PAUSE_S)

    @property
    def _pause_name(self) -> str:
        return f"{self._provider}.pause"

    def _paused_until(self) -> float:
        try:
            with UntrustedFolder(self._results) as results:
                return float(results.read(f"{self._below}/{self._pause_name}", MAX_PAUSE_BYTES))
        except (OSError, ValueError):
            return 0.0

    def _wait_for_pause(self) -> None:
        while (left := self.pause_left()) > 0:
            time.sleep(min(left, 1.0))

    def _made(self) -> UntrustedFolder:
        """The shared folder, created if missing. The results folder of a resumed run is untrusted."""
        self._results.mkdir(parents=True, exist_ok=True)
        with UntrustedFolder(self._results) as results:
            return results.make(self._below)

    def _take(self) -> Place:
        assert self._places is not None
        try:
            with self._made() as folder:
                while True:
                    for number in range(self._places):
                        lock = _locked(folder, f"{self._provider}.{number}.lock")
                        if lock is not None:
                            return lock
                    time.sleep(POLL_S)
        except OSError as error:
            raise InfrastructureError(
                "slots",
                f"--max-concurrent needs locks in {self._folder}, which are not available ({error}): put --results-dir "
                "on a local disk.",
            ) from error


def _locked(folder: UntrustedFolder, name: str) -> FileIO | None:
    """A file that is locked until it is closed, or None when another process holds the lock.

    Raises:
        OSError: When it can't be opened, or locks are not supported.
    """
    file = folder.append(name)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        if isinstance(error, BlockingIOError):
            return None
        raise
    return file
