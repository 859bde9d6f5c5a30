"""A person at work: the clock rules the notebook, and everything is kept."""

from __future__ import annotations

import asyncio
import json

import pytest

from scribe_suite.providers.builtin.human.sitting import MAX_NOTE, RefusedError, Stage
from scribe_suite.providers.transcript import Transcript


def refused(work):
    with pytest.raises(RefusedError) as caught:
        work()
    return str(caught.value)


async def refuses(work):
    with pytest.raises(RefusedError) as caught:
        await work
    return str(caught.value)


def test_nothing_is_shown_and_nothing_runs_before_the_clock_does(sit):
    async def scenario(sitting):
        assert sitting.stage is Stage.WAITING
        assert "has not been started" in refused(sitting.prompt)
        assert "has not been started" in refused(sitting.pause)
        assert "has not been started" in refused(sitting.resume)
        assert "has not been started" in await refuses(sitting.ask("start_new_session", {}))
        assert "has not been started" in await refuses(sitting.submit("answer"))
        await asyncio.sleep(0.1)
        assert sitting.status().worked_s == 0.0
        sitting.start()
        assert sitting.stage is Stage.WORKING
        assert sitting.prompt().startswith("# The question")
        assert "already" in refused(sitting.start)

    sit(scenario)


def test_while_the_clock_is_stopped_no_tool_can_be_called_and_no_time_passes(sit):
    async def scenario(sitting):
        sitting.start()
        session = (await sitting.ask("start_new_session", {})).value["session_id"]
        sitting.pause()
        assert sitting.stage is Stage.PAUSED
        worked = sitting.status().worked_s
        await asyncio.sleep(0.3)
        assert "is stopped" in await refuses(sitting.ask("execute_code", {"session_id": session, "code": "1"}))
        assert "is stopped" in await refuses(sitting.submit("values"))
        assert sitting.status().worked_s == worked
        sitting.note("a thought in the break")
        sitting.resume()
        assert "not stopped" in refused(sitting.resume)
        reply = await sitting.ask("execute_code", {"session_id": session, "code": "values"})
        assert "[3, 11]" in reply.text

    sit(scenario)


def test_the_clock_can_not_be_stopped_while_something_is_computed(sit):
    async def scenario(sitting):
        sitting.start()
        session = (await sitting.ask("start_new_session", {})).value["session_id"]
        code = {"session_id": session, "code": "import time; time.sleep(0.6)"}
        running = asyncio.ensure_future(sitting.ask("execute_code", code))
        await asyncio.sleep(0.2)
        assert "running" in refused(sitting.pause)
        await running
        sitting.pause()

    sit(scenario)


def test_the_first_and_the_last_valid_answer_have_their_times_and_a_refused_one_has_none(sit):
    async def scenario(sitting):
        sitting.start()
        assert "no session" in await refuses(sitting.submit("values"))
        session = (await sitting.ask("start_new_session", {})).value["session_id"]
        await sitting.ask("execute_code", {"session_id": session, "code": "no = 'refuse'"})
        assert (await sitting.submit("no")).is_error
        assert sitting.status().first_answer_s is None
        assert not (await sitting.submit("values")).is_error
        first = sitting.status().first_answer_s
        await asyncio.sleep(0.3)
        await sitting.ask("submit_answer", {"session_id": session, "variable": "values"})
        assert sitting.status().first_answer_s == first
        assert sitting.status().last_answer_s >= first + 0.2
        await sitting.ask("shutdown_session", {"session_id": session})
        assert sitting.status().sessions == ()

    sit(scenario)


def test_when_the_time_is_over_nothing_runs_any_more(sit):
    async def scenario(sitting):
        sitting.start()
        await asyncio.sleep(0.4)
        assert sitting.time_is_over
        assert "time is over" in await refuses(sitting.ask("start_new_session", {}))

    sit(scenario, wall_s=0.3)


def test_notes_are_on_disk_at_once_and_the_transcript_has_all_that_happened(sit, outputs):
    async def scenario(sitting):
        sitting.start()
        sitting.note("I begin with the weights.")
        assert json.loads((outputs / "notes.jsonl").read_text())["text"] == "I begin with the weights."
        assert "empty" in refused(lambda: sitting.note(" \n"))
        assert "characters" in refused(lambda: sitting.note("x" * (MAX_NOTE + 1)))
        session = (await sitting.ask("start_new_session", {"experiment_name": "kept"})).value["session_id"]
        await sitting.ask("execute_code", {"session_id": session, "code": "1 / 0"})
        await sitting.ask("execute_code", {"session_id": "s99", "code": "1"})
        sitting.quit()
        assert "over" in refused(lambda: sitting.note("too late"))
        assert "over" in await refuses(sitting.ask("start_new_session", {}))
        sitting.keep_transcript("finished")

    sit(scenario)
    kept = Transcript.model_validate_json((outputs / "transcript.json").read_text())
    assert [(message.role, message.text) for message in kept.messages] == [
        ("cli", "The clock was started."),
        ("assistant", "I begin with the weights."),
        ("cli", "The attempt was ended."),
    ]
    assert [(call.tool, call.is_error) for call in kept.calls] == [
        ("start_new_session", False),
        ("execute_code", False),
        ("execute_code", True),
    ]
    assert "ZeroDivisionError" in kept.calls[1].output
    assert json.loads(kept.calls[1].arguments)["code"] == "1 / 0"
    assert kept.end_reason == "finished"
