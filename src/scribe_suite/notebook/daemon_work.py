"""Runs work in threads that nothing waits for, neither the end of an event loop nor that of the interpreter.

`asyncio.to_thread` is not suitable for work on agents' data: both join its threads, however long they take.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

_Result = TypeVar("_Result")

#: Most threads at a time; abandoned ones count until they end.
MAX_THREADS = 4


class DaemonWork:
    """Runs functions in a few daemon threads."""

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(MAX_THREADS)

    async def run(self, work: Callable[[], _Result], limit_s: float) -> _Result:
        """Return what `work` returns, or raise what it raises.

        Args:
            work: Called in a separate thread; it must not touch the event loop.
            limit_s: Seconds to wait for a free thread and the end of the work together.

        Raises:
            TimeoutError: When it has not ended by then; the thread is abandoned.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_Result] = loop.create_future()

        def settle(result: _Result | None, error: BaseException | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]

        def thread() -> None:
            result, error = None, None
            try:
                result = work()
            except BaseException as raised:
                error = raised
            finally:
                self._places.release()
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(settle, result, error)

        async with asyncio.timeout(limit_s):
            while not self._places.acquire(blocking=False):
                await asyncio.sleep(0.02)
            try:
                threading.Thread(target=thread, name="notebook-work", daemon=True).start()
            except BaseException:
                self._places.release()
                raise
            return await future
