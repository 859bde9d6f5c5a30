"""The time of an attempt: what its limit is compared with, and every submission is stamped with.

It runs from `begin` to the end of the attempt. Only a provider whose `Provider.needs` has ``clock`` is given it, and
may stop it while a person rests.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class AttemptClock:
    """Seconds of work, without pauses; may be read and stopped by any thread.

    Args:
        now: Seconds by a clock that never goes back; `time.monotonic` by default.
    """

    def __init__(self, now: Callable[[], float] | None = None) -> None:
        self._now = time.monotonic if now is None else now
        self._lock = threading.RLock()  # a signal handler of the thread that holds it may read the clock
        self._began = self._now()
        self._paused = 0.0
        self._stopped: float | None = None

    def begin(self) -> None:
        """Begin from zero, running."""
        with self._lock:
            self._began, self._paused, self._stopped = self._now(), 0.0, None

    def pause(self) -> None:
        """Stop, unless it is stopped already."""
        with self._lock:
            if self._stopped is None:
                self._stopped = self._now()

    def resume(self) -> None:
        """Go on, unless it is running."""
        with self._lock:
            if self._stopped is not None:
                self._paused += self._now() - self._stopped
                self._stopped = None

    @property
    def running(self) -> bool:
        """Whether it is not stopped."""
        with self._lock:
            return self._stopped is None

    @property
    def worked_s(self) -> float:
        """Seconds since `begin`, without pauses."""
        with self._lock:
            end = self._now() if self._stopped is None else self._stopped
            return end - self._began - self._paused

    @property
    def paused_s(self) -> float:
        """Seconds of all pauses, including the current one."""
        with self._lock:
            current = 0.0 if self._stopped is None else self._now() - self._stopped
            return self._paused + current
