"""Outputs as they come, for a client that asks for them."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from scribe_suite.notebook.calls import Call
from scribe_suite.notebook.endpoint import OUTPUTS
from scribe_suite.notebook.output_stream import METHOD, streaming

from .raw import Raw

SLOWLY = """\
import time
print("first", flush=True)
time.sleep(1)
display({"text/html": "<b>bold</b>", "text/plain": "bold"}, raw=True)
1 / 0"""


def run(raw: Raw, session: str, code: str, **meta: Any) -> list[tuple[float, dict[str, Any]]]:
    """All messages up to the result of a cell, with the seconds at which they came."""
    raw.call(7, "execute_code", {"session_id": session, "code": code}, **meta)
    begin, got = time.monotonic(), []
    while not got or got[-1][1].get("id") != 7:
        message = raw.receive()
        got.append((time.monotonic() - begin, message))
    return got


def test_outputs_come_while_the_cell_runs_in_the_journal_s_form_and_before_its_result(server, shared, folder):
    with Raw(server) as raw:
        *outputs, (ended, result) = run(raw, shared, SLOWLY, **{OUTPUTS: "cell 1"})
    assert [message["method"] for _, message in outputs] == [METHOD] * 3
    assert {message["params"]["token"] for _, message in outputs} == {"cell 1"}
    first, display, error = (message["params"]["output"] for _, message in outputs)
    assert first == {"output_type": "stream", "name": "stdout", "text": "first\n"}
    assert display["data"] == {"text/html": "<b>bold</b>", "text/plain": "bold"}
    assert (error["output_type"], error["ename"]) == ("error", "ZeroDivisionError")
    assert outputs[0][0] < ended - 0.8, "the first line was held back"
    assert "first" in result["result"]["content"][0]["text"]
    events = [json.loads(line) for line in (folder / "notebooks" / "shared.journal.jsonl").read_text().splitlines()]
    assert [event["output"] for event in events if event["event"] == "output"][-3:] == [first, display, error]


@pytest.mark.parametrize("meta", [{}, {OUTPUTS: True}, {OUTPUTS: None}], ids=str)
def test_who_does_not_ask_gets_the_result_alone(server, shared, meta):
    with Raw(server) as raw:
        assert [message["id"] for _, message in run(raw, shared, "print(1)", **meta)] == [7]


def test_a_client_that_is_gone_does_not_hold_up_the_call():
    async def gone(_notification: Any) -> None:
        raise ConnectionError

    async def work() -> str:
        call = Call()
        async with streaming(gone, call, {OUTPUTS: "x"}):
            assert call.on_output is not None
            for number in range(3):
                call.on_output({"output_type": "stream", "name": "stdout", "text": str(number)})
                await asyncio.sleep(0)
        assert call.on_output is None
        return "done"

    assert asyncio.run(asyncio.wait_for(work(), 5)) == "done"
