"""Runs work that outlives the caller that requested it.

The MCP SDK cancels the handler of a call when the client gives up on it or disconnects; that must not interrupt a
running cell or a starting kernel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class OwnedTasks:
    """Tasks that belong to an object rather than to a caller."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        """Tasks that have not ended."""
        return len(self._tasks)

    async def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Do work to its end, whether or not the caller waits; a waiting caller gets its result or exception."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    async def finish(self) -> None:
        """Wait until all work has ended."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def cancel(self) -> None:
        """Cancel all work and wait until it has cleaned up."""
        for task in list(self._tasks):
            task.cancel()
        await self.finish()

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # asyncio would complain about an exception that nobody waits for any more
