"""Keeps the results of slow runs, so that repeating a request returns them at once.

An agent's cell may be interrupted before its run is done. The run continues and is paid for; without this, the next
cell would wait as long again.
"""

from __future__ import annotations

import threading

from scribe_suite.laboratory.frames import MAX_TENSORS_OUT

#: Seconds above which the result of a run is kept: others are recomputed.
SLOW_S = 5.0
#: Most bytes of all kept results; the oldest are dropped first, and any single result fits.
MAX_KEPT = MAX_TENSORS_OUT


class SlowResults:
    """Results of slow runs, by the keys of the runs. Safe to use from several threads."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def keep(self, key: str, data: bytes, seconds: float) -> None:
        """Keep a result if it took long.

        Args:
            key: The run's key.
            data: The result.
            seconds: Its duration.
        """
        if seconds < SLOW_S:
            return
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = data
            while sum(map(len, self._kept.values())) > MAX_KEPT:
                del self._kept[next(iter(self._kept))]

    def get(self, key: str) -> bytes | None:
        """The result of a run, if it is kept."""
        with self._lock:
            return self._kept.get(key)
