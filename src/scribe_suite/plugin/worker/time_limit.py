"""A hard stop for a provider that exceeds its time limit."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Seconds that a provider may take to clean up after its limit, before it is stopped.
OVERTIME_S = 30.0


class OverTimeError(BaseException):
    """Raised in a provider that continues after its limit; not an `Exception`, so that it is not swallowed."""


@contextmanager
def stopped_after(limit_s: float) -> Iterator[None]:
    """Raise `OverTimeError` in the block when it takes longer than `limit_s` seconds.

    Uses the process's only interval timer, so it works only in the main thread (where pytest and xdist run tests), and
    does nothing where something else, such as pytest-timeout, already uses that timer.
    """
    if threading.current_thread() is not threading.main_thread() or any(signal.getitimer(signal.ITIMER_REAL)):
        yield
        return

    def stop(_number: int, _frame: object) -> None:
        raise OverTimeError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
