"""A hard stop for a provider that exceeds its time limit."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from scribe_suite.providers.clock import AttemptClock

#: Seconds that a provider may take to clean up after its limit, before it is stopped.
OVERTIME_S = 30.0
#: Seconds between two looks at a clock that is stopped.
LOOK_S = 1.0


class OverTimeError(BaseException):
    """Raised in a provider that continues after its limit; not an `Exception`, so that it is not swallowed."""


@contextmanager
def stopped_after(limit_s: float, clock: AttemptClock | None = None) -> Iterator[None]:
    """Raise `OverTimeError` in the block when it takes longer than `limit_s` seconds.

    Args:
        limit_s: Seconds.
        clock: Measures them, from now on by default; its pauses do not count.

    Uses the process's only interval timer, so it works only in the main thread (where pytest and xdist run tests), and
    does nothing where something else, such as pytest-timeout, already uses that timer.
    """
    if threading.current_thread() is not threading.main_thread() or any(signal.getitimer(signal.ITIMER_REAL)):
        yield
        return

    measured = AttemptClock() if clock is None else clock

    def stop(_number: int, _frame: object) -> None:
        left = limit_s - measured.worked_s
        if left <= 0:
            raise OverTimeError
        signal.setitimer(signal.ITIMER_REAL, max(left, LOOK_S if not measured.running else left))

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
