"""How many attempts of one provider run at the same time, over all workers of a run, and the pauses it is told to make.

Workers share nothing but a folder. A place is a lock on a file in it, which the system gives back whatever happens to
the worker. A pause is the time until which nobody shall start, as text in a file.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from scribe_suite.errors import InfrastructureError

#: Seconds between two looks for a free place.
POLL_S = 0.2
#: Seconds that a pause takes at most: what is written in the file may be anything.
LONGEST_PAUSE_S = 900.0


class Slots:
    """The places of one provider.

    Args:
        folder: Shared by all workers of the run; made when needed.
        provider: Name of the provider.
        places: How many attempts may run at the same time, or None for any number.
    """

    def __init__(self, folder: Path, provider: str, places: int | None = None) -> None:
        self._folder = folder
        self._provider = provider
        self._places = places

    @contextmanager
    def place(self) -> Iterator[None]:
        """Wait for a place and for the end of a pause, and hold the place in the block.

        Whoever comes first need not be first: workers look again and again.

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
            lock.release()

    def pause(self, seconds: float) -> None:
        """Let nobody start an attempt of this provider for so long; an earlier, longer pause stays."""
        end = time.time() + min(max(seconds, 0.0), LONGEST_PAUSE_S)
        if end <= self._paused_until():
            return
        # whole or not at all: others read it at any time
        part = self._pause_file.with_suffix(f".{os.getpid()}.part")
        with contextlib.suppress(OSError):  # a pause that can't be told is no reason to lose an attempt
            self._folder.mkdir(parents=True, exist_ok=True)
            part.write_text(f"{end:.3f}\n")
            part.replace(self._pause_file)

    def pause_left(self) -> float:
        """Seconds until an attempt of this provider may start; 0 when it may now."""
        return min(max(0.0, self._paused_until() - time.time()), LONGEST_PAUSE_S)

    @property
    def _pause_file(self) -> Path:
        return self._folder / f"{self._provider}.pause"

    def _paused_until(self) -> float:
        try:
            return float(self._pause_file.read_text())
        except (OSError, ValueError):
            return 0.0

    def _wait_for_pause(self) -> None:
        while (left := self.pause_left()) > 0:
            time.sleep(min(left, 1.0))

    def _take(self) -> FileLock:
        assert self._places is not None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            # not shared between threads or inherited: one attempt, one lock
            locks = [FileLock(self._folder / f"{self._provider}.{number}.lock") for number in range(self._places)]
            while True:
                for lock in locks:
                    with contextlib.suppress(Timeout):
                        lock.acquire(timeout=0)
                        return lock
                time.sleep(POLL_S)
        except (OSError, NotImplementedError) as error:
            raise InfrastructureError(
                "slots",
                f"--max-concurrent needs locks in {self._folder}, which can't be had ({error}): put --results-dir on a "
                "local disk.",
            ) from error
