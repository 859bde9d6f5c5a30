"""Calls that their client takes back or loses, seen by the next call."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from scribe_suite.notebook import session as session_module
from scribe_suite.notebook.server import NotebookServer

from .agent import Agent, Answer, play
from .raw import Raw

STUBBORN = "while True:\n    try:\n        time.sleep(0.05)\n    except KeyboardInterrupt:\n        pass"
PREPARE = "import time\nkept = 7"


async def begun(server: NotebookServer, cells: int) -> None:
    """Wait until a number of calls are being answered."""
    while server.status().calls_open < cells:
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)


async def cancelled(server: NotebookServer, agent: Agent, code: str) -> None:
    """Run a cell and take the call back, as the MCP SDK's client does when its caller is cancelled."""
    call = asyncio.create_task(agent.run(code))
    await begun(server, 1)
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call


def test_a_cell_whose_call_is_cancelled_is_interrupted_and_the_next_reply_says_so(server):
    async def scenario(agent: Agent) -> tuple[Answer, Answer, Answer]:
        await agent.run(PREPARE)
        await cancelled(server, agent, "print('so far', flush=True)\ntime.sleep(60)")
        after = await agent.run("kept")
        shown = await agent.call("list_cells", session_id=agent.session_id, cell_index=2)
        return after, shown, await agent.run("kept")

    after, shown, later = play(server, scenario, timeout_s=30)
    assert after.output == "7"
    (notice,) = after.payload["notices"]
    assert notice.startswith("cell_index 2 ended with status interrupted after")
    assert "its call was cancelled" in after.text
    assert "so far" in shown.text
    assert "notices" not in later.payload


def test_a_call_that_is_cancelled_before_its_turn_runs_nothing(server):
    async def scenario(agent: Agent) -> Answer:
        await agent.run("ran = []")
        first = asyncio.create_task(agent.run("import time; time.sleep(1); ran.append(1)"))
        await begun(server, 1)
        second = asyncio.create_task(agent.run("ran.append(2)"))
        await begun(server, 2)
        second.cancel()
        await first
        return await agent.run("ran")

    assert play(server, scenario).output == "[1]"


@pytest.mark.parametrize("way", ["cancelled", "lost"])
def test_a_call_behind_a_cell_that_nobody_waits_for_and_that_does_not_end_says_what_runs(server, monkeypatch, way):
    monkeypatch.setattr(session_module, "PATIENCE_S", 0.3)

    async def scenario(agent: Agent) -> tuple[Answer, Answer]:
        await agent.run(PREPARE)
        if way == "cancelled":
            await cancelled(server, agent, STUBBORN)
        else:
            with Raw(server) as other:
                other.call(1, "execute_code", {"session_id": agent.session_id, "code": STUBBORN})
                await begun(server, 1)
        behind = await agent.run("kept")
        submitted = await agent.submit("kept")
        return behind, submitted

    behind, submitted = play(server, scenario, timeout_s=40)
    assert "cell_index 2 still runs and has been running for" in behind.error
    assert "interrupt" in behind.error
    assert "cell_index 2 still runs" in submitted.error


def test_calls_that_are_waited_for_are_not_hurried(server, monkeypatch):
    monkeypatch.setattr(session_module, "PATIENCE_S", 0.1)

    async def scenario(agent: Agent) -> list[Answer]:
        return await asyncio.gather(agent.run("import time; time.sleep(1)"), agent.run("1 + 1"))

    assert play(server, scenario)[1].output == "2"
