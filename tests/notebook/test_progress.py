"""Signs of life during long calls, seen by a real client through the pump."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest

from scribe_suite.notebook import progress
from scribe_suite.notebook.server import NotebookServer

from .agent import Agent, play
from .raw import Raw

SLEEP = "import time\ntime.sleep(0.7)\nprint('slept')"


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PROGRESS_S", 0.1)


def test_a_long_cell_reports_how_long_it_has_been_running_until_it_ends(server, shared):
    reports: list[tuple[float, float | None, str | None]] = []

    async def note(seconds: float, total: float | None, message: str | None) -> None:
        reports.append((seconds, total, message))

    async def scenario(agent: Agent) -> Any:
        arguments = {"session_id": shared, "code": SLEEP}
        result = await agent.client.call_tool("execute_code", arguments, progress_callback=note)
        count = len(reports)
        await asyncio.sleep(0.5)
        return result, count

    result, count = play(server, scenario, session_id=shared)
    assert "slept" in result.content[0].text
    assert 3 <= count == len(reports)
    times = [seconds for seconds, _total, _message in reports]
    assert times == sorted(times)
    assert reports[0][1:] == (None, "execute_code has been running for 0 s")


def messages(server: NotebookServer, meta: dict[str, Any]) -> list[dict[str, Any]]:
    """All that the server says to a client that calls a slow cell, from the raw socket."""

    def line(number: int | None, method: str, **params: Any) -> bytes:
        identity = {} if number is None else {"id": number}
        return json.dumps({"jsonrpc": "2.0", **identity, "method": method, "params": params}).encode() + b"\n"

    client = {"name": "raw", "version": "1"}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(server.endpoint.socket_path))
        stream = connection.makefile("rb")
        connection.sendall(line(1, "initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=client))
        stream.readline()
        connection.sendall(line(None, "notifications/initialized"))
        arguments = {"session_id": "s1", "code": SLEEP}
        connection.sendall(line(2, "tools/call", name="execute_code", arguments=arguments, **meta))
        received = []
        while not received or received[-1].get("id") != 2:
            received.append(json.loads(stream.readline()))
        return received


@pytest.mark.parametrize(("meta", "told"), [({}, False), ({"_meta": {"progressToken": "mine"}}, True)])
@pytest.mark.usefixtures("shared")
def test_only_a_client_that_asks_is_told(server, meta, told):
    *reports, _result = messages(server, meta)
    assert {report["method"] for report in reports} == ({"notifications/progress"} if told else set())
    assert all(report["params"]["progressToken"] == "mine" for report in reports)


def test_a_report_that_fails_ends_the_reports_not_the_call():
    calls: list[float] = []

    async def broken(seconds: float, _total: object, _message: object) -> None:
        calls.append(seconds)
        raise ConnectionError("gone")

    async def work() -> str:
        async with progress.reporting(broken, "execute_code"):
            await asyncio.sleep(0.4)
            return "done"

    assert asyncio.run(work()) == "done"
    assert len(calls) == 1


def test_a_call_that_raises_ends_its_reports():
    calls: list[float] = []

    async def note(seconds: float, _total: object, _message: object) -> None:
        calls.append(seconds)

    async def work() -> None:
        with pytest.raises(ValueError, match="broken"):
            async with progress.reporting(note, "x"):
                raise ValueError("broken")
        await asyncio.sleep(0.3)

    asyncio.run(work())
    assert calls == []


def test_a_client_that_goes_away_while_it_is_told_does_not_lose_the_cell(server):
    async def scenario(agent: Agent) -> Any:
        with Raw(server) as other:
            arguments = {"session_id": agent.session_id, "code": SLEEP}
            other.call(1, "execute_code", arguments, progressToken="mine")
            assert (await asyncio.to_thread(other.receive))["method"] == "notifications/progress"
        await agent.run("1")  # queues behind the cell
        return await agent.call("list_cells", session_id=agent.session_id)

    cell = play(server, scenario).payload["cells"][1]
    assert (cell["status"], cell["output"]) == ("ok", "slept")
