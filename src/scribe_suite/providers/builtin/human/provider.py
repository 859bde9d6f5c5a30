"""People as agents: ``--provider human`` in a JupyterLab, ``--provider human:terminal`` in a terminal.

A person gets what an agent gets: the prompt, the notebook's tools and the limits. The one thing more is a clock that
can be stopped, because people eat and sleep. It stands still until the person starts it, and the prompt is shown then.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from scribe_suite.providers.base import AttemptContext, AttemptFailedError, EndReason, Provider, ProviderResult
from scribe_suite.providers.builtin.human.browser import in_browser
from scribe_suite.providers.builtin.human.front import FrontEnd
from scribe_suite.providers.builtin.human.handover import FOLDER_VARIABLE, handed_over
from scribe_suite.providers.builtin.human.jupyterlab import find_program, missing
from scribe_suite.providers.builtin.human.link import NotebookLink, connected
from scribe_suite.providers.builtin.human.sitting import Sitting, Stage
from scribe_suite.untrusted_files import UntrustedFolder

#: Seconds between two looks at the clock.
LOOK_S = 0.2
#: Seconds that the clock may stand still without a break: nobody waits for ever, and neither does a run.
LONGEST_PAUSE_S = 24 * 3600.0

#: Runs a front end for a sitting.
Front = Callable[[AttemptContext, Sitting, UntrustedFolder], AbstractAsyncContextManager[FrontEnd]]


@contextlib.asynccontextmanager
async def _terminal(_context: AttemptContext, _sitting: Sitting, _outputs: UntrustedFolder) -> AsyncIterator[FrontEnd]:
    """Nothing besides the folder with the socket."""
    yield FrontEnd()


#: Front ends by what is behind the colon of ``--provider``.
FRONTS: dict[str | None, Front] = {None: in_browser, "terminal": _terminal}


class HumanProvider(Provider):
    """Waits for a person, and lets them work."""

    name = "human"
    summary = "a person: in JupyterLab, or human:terminal for any program that types (scribe-suite attempt)"
    needs = frozenset({"clock"})

    def attempt(self, context: AttemptContext) -> ProviderResult:
        """Hand the attempt over, and wait for its end.

        Raises:
            InfrastructureError: ``handover`` when it can't be handed over, ``nobody_came`` when nobody started the
                clock, ``mcp_connection`` when the notebook is lost.
        """
        context.material["clock"].pause()
        return asyncio.run(_sit(context, FRONTS[context.model]))

    def refusal(self, model: str | None) -> str | None:
        """Why nobody can work like that."""
        if model not in FRONTS:
            return f"A person can't work in {model!r}: use human, or human:terminal."
        return missing() if model is None and find_program() is None else None


async def _sit(context: AttemptContext, front: Front) -> ProviderResult:
    async with contextlib.AsyncExitStack() as stack:
        outputs = stack.enter_context(UntrustedFolder(context.outputs))
        link = await stack.enter_async_context(connected(context.endpoint.socket_path))
        name = "human" if context.model is None else f"human:{context.model}"
        sitting = Sitting(
            link, context.material["clock"], context.prompt, context.limits, outputs, name, context.activity
        )
        shown = await stack.enter_async_context(front(context, sitting, outputs))
        folder = await stack.enter_async_context(handed_over(sitting, context.outputs.parent.name, shown.address))
        _announce(folder, shown.address)
        try:
            return await _follow(sitting, link, shown)
        finally:
            sitting.keep_transcript("finished" if sitting.over.is_set() else "timeout")


async def _follow(sitting: Sitting, link: NotebookLink, front: FrontEnd) -> ProviderResult:
    """Wait for the end of a sitting.

    Raises:
        AttemptFailedError: ``nobody_came``, ``mcp_connection``, ``jupyterlab``.
    """
    quiet_since = time.monotonic()
    reason, detail = EndReason.FINISHED, ""
    while not sitting.over.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(sitting.over.wait(), LOOK_S)
        stage = sitting.stage
        if stage is Stage.WORKING:
            quiet_since = time.monotonic()
        if link.lost.is_set():
            raise AttemptFailedError("mcp_connection", "The notebook's server has ended.", ProviderResult())
        if (broken := front.broken()) is not None:
            raise AttemptFailedError("jupyterlab", broken, ProviderResult(version=front.version))
        if sitting.time_is_over:
            reason, detail = EndReason.TIMEOUT, f"The limit of {sitting.status().limit_s:g} s was reached."
            break
        if time.monotonic() - quiet_since > LONGEST_PAUSE_S:
            hours = LONGEST_PAUSE_S / 3600
            if stage is Stage.WAITING:
                raise AttemptFailedError("nobody_came", f"Nobody started the clock in {hours:g} h.", ProviderResult())
            reason, detail = EndReason.LIMIT, f"The clock was stopped for more than {hours:g} h."
            break
    if sitting.over.is_set() and sitting.status().calls == 0 and not detail:
        detail = "The attempt was ended before anything was done."
    return ProviderResult(reason, detail, tool_calls=sitting.calls, version=front.version)


def _announce(folder: Path, address: str | None) -> None:
    """Say in the terminal where the person can begin; pytest captures everything else."""
    if os.environ.get(FOLDER_VARIABLE):  # whoever named the folder knows where it is
        return
    where = f"open {address}" if address else f"scribe-suite attempt start {folder}"
    with contextlib.suppress(OSError), Path("/dev/tty").open("w", encoding="utf-8") as terminal:
        terminal.write(f"\nAn attempt waits for a person: {where}\n")
