from __future__ import annotations

import asyncio
import threading
import time

import pytest

from scribe_suite.notebook.daemon_work import MAX_THREADS, DaemonWork


def test_work_gives_its_result_or_raises():
    async def run() -> int:
        work = DaemonWork()
        with pytest.raises(ZeroDivisionError):
            await work.run(lambda: 1 // 0, 5)
        return await work.run(lambda: 7, 5)

    assert asyncio.run(run()) == 7


def test_work_that_hangs_holds_up_neither_the_caller_nor_the_end_of_the_loop_and_is_bounded_in_number():
    hang = threading.Event()

    async def run() -> int:
        work = DaemonWork()
        for _ in range(MAX_THREADS + 2):
            with pytest.raises(TimeoutError):
                await work.run(hang.wait, 0.05)
        count = sum(thread.name == "notebook-work" for thread in threading.enumerate())
        hang.set()
        assert await work.run(lambda: "free again", 5) == "free again"
        return count

    begin = time.monotonic()
    assert asyncio.run(run()) == MAX_THREADS
    assert time.monotonic() - begin < 30
