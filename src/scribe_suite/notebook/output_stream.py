"""Sends the outputs of a cell while it runs, for a front end that shows them as they come; agents don't ask for them.

A client asks in the ``_meta`` of a call: `OUTPUTS` with a token of its own. Each output then is a notification `METHOD`
with that token, in the order of the journal and in the journal's form, limits included. All of them are sent before the
result of the call; what a cell puts out after its end comes with the next result, as for everybody.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Literal

from pydantic import BaseModel

from scribe_suite.notebook.calls import Call
from scribe_suite.notebook.endpoint import OUTPUTS
from scribe_suite.notebook.outputs import Output

logger = logging.getLogger(__name__)

METHOD: Literal["notifications/scribe-suite/output"] = "notifications/scribe-suite/output"


class OutputParams(BaseModel):
    """One output of the cell of a call.

    Attributes:
        token: The client's token for the call.
        output: The output, as in the journal.
    """

    token: str
    output: dict[str, Any]


class OutputNotification(BaseModel):
    """The notification, in the form that the SDK sends."""

    method: Literal["notifications/scribe-suite/output"] = METHOD
    params: OutputParams


@contextlib.asynccontextmanager
async def streaming(
    send: Callable[[Any], Awaitable[None]], call: Call, meta: Mapping[str, Any] | None
) -> AsyncIterator[None]:
    """Send the outputs of a call's cell for as long as the block runs, if its client has asked for them.

    Args:
        send: Sends a notification; one that fails ends the sending, not the call.
        call: The call.
        meta: The metadata sent with it.
    """
    token = None if meta is None else meta.get(OUTPUTS)
    if not isinstance(token, str):
        yield
        return
    waiting: asyncio.Queue[Output | None] = asyncio.Queue()
    call.on_output = waiting.put_nowait
    task = asyncio.create_task(_send_all(send, token, waiting))
    try:
        yield
        call.on_output = None
        waiting.put_nowait(None)
        await task
    finally:
        call.on_output = None
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _send_all(send: Callable[[Any], Awaitable[None]], token: str, waiting: asyncio.Queue[Output | None]) -> None:
    while (output := await waiting.get()) is not None:
        try:
            await send(OutputNotification(params=OutputParams(token=token, output=output)))
        except Exception as error:  # the client went away, in whatever way; the cell runs on
            logger.debug("an output could not be sent: %r", error)
            return
