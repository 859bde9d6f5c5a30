"""A hard stop for a provider that exceeds its time limit."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: How long a provider may take to clean up after its limit, before it is stopped.
OVERTIME_S = 30.0


class OverTimeError(BaseException):
    """Raised in a provider that continues after its limit; not an `Exception`, so that it is not swallowed there."""


@contextmanager
def stopped_after(limit_s: float) -> Iterator[None]:
    """Raise `OverTimeError` in the block when it takes longer than `limit_s` seconds.

    Uses the process's one interval timer, so it works in the main thread only (where pytest and xdist run tests), and
    steps back where something else, such as pytest-timeout, is using that timer already.
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
