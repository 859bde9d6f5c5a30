import contextlib
import signal
import threading
import time

import pytest

from scribe_suite.plugin.worker import time_limit
from scribe_suite.plugin.worker.time_limit import OverTimeError, stopped_after
from scribe_suite.providers.clock import AttemptClock


@pytest.fixture(autouse=True)
def free_timer():
    """pytest-timeout uses the same timer: put it aside for the test, and back afterwards."""
    handler, (left, interval) = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
    signal.setitimer(signal.ITIMER_REAL, 0)
    yield
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, left, interval)


def test_a_block_that_goes_on_is_stopped_and_can_not_swallow_it():
    def stubborn():
        with stopped_after(0.2):
            while time.monotonic() < begin + 20:
                with contextlib.suppress(Exception):
                    time.sleep(20)

    begin = time.monotonic()
    with pytest.raises(OverTimeError):
        stubborn()
    assert time.monotonic() < begin + 10


def test_a_block_that_ends_in_time_leaves_nothing_behind():
    before = signal.getsignal(signal.SIGALRM)
    with stopped_after(30):
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_a_timer_that_is_in_use_is_left_alone():
    fired = []
    signal.signal(signal.SIGALRM, lambda *_: fired.append(True))
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    with stopped_after(0.05):
        time.sleep(0.5)
    assert fired == [True]


def test_other_threads_work_without_it():
    done = []

    def work():
        with stopped_after(0.01):
            time.sleep(0.05)
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


def test_a_stopped_clock_does_not_run_into_the_limit_and_a_running_one_does(monkeypatch):
    monkeypatch.setattr(time_limit, "LOOK_S", 0.05)
    clock = AttemptClock()
    clock.pause()
    with stopped_after(0.1, clock):
        time.sleep(0.4)
        assert clock.worked_s < 0.1

    def resumed():
        with stopped_after(0.3, clock):
            time.sleep(0.2)
            clock.resume()
            time.sleep(20)

    begin = time.monotonic()
    with pytest.raises(OverTimeError):
        resumed()
    assert 0.45 < time.monotonic() - begin < 5
