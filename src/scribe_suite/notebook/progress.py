"""Sends progress reports during long tool calls, so that a client does not mistake a long cell for a hanging server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

logger = logging.getLogger(__name__)

#: Seconds between two reports; clients give up after 60 seconds or later.
PROGRESS_S = 5.0

#: Called with the seconds so far, the total (unknown) and a message.
Report = Callable[[float, float | None, str | None], Awaitable[None]]


@contextlib.asynccontextmanager
async def reporting(report: Report, tool: str) -> AsyncIterator[None]:
    """Report every few seconds how long a call has been running, for as long as the block runs.

    Args:
        report: Sends a report; one that fails ends the reports, not the call.
        tool: Name of the tool, for the message.
    """
    task = asyncio.create_task(_report_for_ever(report, tool))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _report_for_ever(report: Report, tool: str) -> None:
    loop = asyncio.get_running_loop()
    begin = loop.time()
    while True:
        await asyncio.sleep(PROGRESS_S)
        seconds = loop.time() - begin
        try:
            await report(round(seconds, 1), None, f"{tool} has been running for {seconds:.0f} s")
        except Exception as error:  # the client went away, in whatever way; the cell runs on
            logger.debug("progress could not be reported: %r", error)
            return
