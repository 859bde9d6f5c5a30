"""What reached a limit is the least that is recorded, whatever a CLI says when it is interrupted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from scribe_suite.providers.base import EndReason, Limits
from scribe_suite.providers.clis.adapter import Adapter, Job
from scribe_suite.providers.clis.claude import ClaudeAdapter
from scribe_suite.providers.clis.codex import CodexAdapter
from scribe_suite.providers.clis.gemini import GeminiAdapter
from scribe_suite.providers.clis.meter import SILENT, WALL, Meter, stop_reason, turns_of
from scribe_suite.providers.transcript import Tokens, ToolCall, Transcript
from scribe_suite.untrusted_files import UntrustedFolder

#: Answers of the scripted model: tokens by kind of each, and what Claude Code knows of the last kind while it answers.
INPUT, CACHED, OUTPUT, KNOWN = 1000, 500, 60, 1
LIMIT = 9000


def play(adapter: Adapter, events: list[dict[str, Any]], transcript: Transcript, meter: Meter) -> str | None:
    """Read events as the driver does; what the meter says first."""
    for number, event in enumerate(events):
        adapter.read(event, float(number), transcript)
        stopped = meter.exceeded(transcript, float(number), 0.0)
        if stopped is not None:
            return stopped
    return None


def claude_answer(number: int) -> dict[str, Any]:
    usage = {"input_tokens": INPUT, "cache_read_input_tokens": CACHED, "output_tokens": KNOWN}
    call = {"type": "tool_use", "id": f"t{number}", "name": "mcp__scribe__execute_code", "input": {}}
    return {"type": "assistant", "message": {"id": f"m{number}", "model": "x", "usage": usage, "content": [call]}}


@pytest.mark.parametrize("ends", ["with the sums of all answers but the last", "without sums"])
def test_claude_s_last_answer_is_counted_though_its_sums_leave_it_out(ends):
    adapter, transcript, meter = ClaudeAdapter(), Transcript(cli="claude"), Meter(Limits(60.0, 5.0, tokens=LIMIT))
    assert play(adapter, [claude_answer(number) for number in range(20)], transcript, meter) is not None
    answers = transcript.requests
    seen = answers * (INPUT + CACHED + KNOWN)
    assert transcript.tokens.total == seen > LIMIT
    usage = {
        "input_tokens": (answers - 1) * INPUT,
        "cache_read_input_tokens": (answers - 1) * CACHED,
        "output_tokens": (answers - 1) * OUTPUT,
    }
    assert sum(usage.values()) < LIMIT
    result = {"type": "result", "subtype": "error_during_execution", "total_cost_usd": 0.1}
    adapter.read({**result, "usage": usage if ends.startswith("with the") else {}}, 21.0, transcript)
    meter.settle(transcript)
    assert transcript.tokens.total == seen


def codex_session(count: int) -> str:
    usage = {"input_tokens": count * (INPUT + CACHED), "cached_input_tokens": count * CACHED, "output_tokens": 0}
    line = {"payload": {"type": "token_count", "info": {"total_token_usage": usage}}}
    return "".join(json.dumps(line) + "\n" for _ in range(count))


def gemini_session(count: int) -> str:
    tokens = {"input": INPUT + CACHED, "cached": CACHED, "output": 0}
    return "".join(
        json.dumps({"type": "gemini", "id": number, "model": "x", "tokens": tokens}) + "\n" for number in range(count)
    )


ENDS: Mapping[str, Mapping[str, Any]] = {
    "codex": {"type": "turn.completed", "usage": {"input_tokens": 5, "output_tokens": 5}},
    "gemini": {
        "type": "result",
        "status": "error",
        "stats": {"total_tokens": 10, "input_tokens": 5, "output_tokens": 5},
    },
}


@pytest.mark.parametrize(
    ("cli", "adapter", "session", "written"),
    [
        ("codex", CodexAdapter(), ".codex/sessions/rollout-1.jsonl", codex_session),
        ("gemini", GeminiAdapter(), ".gemini/tmp/session-1.jsonl", gemini_session),
    ],
    ids=["codex", "gemini"],
)
@pytest.mark.parametrize("left", ["shorter", "empty", "gone"])
def test_what_a_session_file_said_is_counted_though_it_shrinks(tmp_path, cli, adapter, session, written, left):
    path = tmp_path / session
    path.parent.mkdir(parents=True)
    with UntrustedFolder(tmp_path) as home:
        nothing: Any = None
        job = Job("", None, nothing, Limits(60.0, 5.0), tmp_path, home, Path(tmp_path), (), {})
        transcript, meter = Transcript(cli=cli), Meter(Limits(60.0, 5.0, tokens=LIMIT))
        path.write_text(written(7))
        adapter.finish(job, transcript)
        assert meter.exceeded(transcript, 1.0, 0.0) == f"The limit of {LIMIT} tokens was reached."
        adapter.read(ENDS[cli], 2.0, transcript)
        path.unlink()
        if left != "gone":
            path.write_text(written(5) if left == "shorter" else "")
        adapter.finish(job, transcript)
        meter.settle(transcript)
    assert transcript.tokens == Tokens(input=7 * INPUT, cached=7 * CACHED)


def test_turns_that_reached_the_limit_are_recorded_though_requests_are_counted_otherwise():
    calls = [ToolCall(tool="execute_code", arguments="", started=0.0) for _ in range(5)]
    transcript, meter = Transcript(cli="codex", calls=calls), Meter(Limits(60.0, 5.0, turns=4))
    assert meter.exceeded(transcript, 1.0, 0.0) == "The limit of 4 turns was reached."
    transcript.requests = 3
    meter.settle(transcript)
    assert transcript.requests == 5


def test_without_a_limit_of_turns_the_cli_s_own_count_of_requests_stands():
    calls = [ToolCall(tool="execute_code", arguments="", started=0.0) for _ in range(5)]
    transcript, meter = Transcript(cli="codex", calls=calls), Meter(Limits(60.0, 5.0))
    assert meter.exceeded(transcript, 1.0, 0.0) is None
    assert turns_of(transcript) == 5
    transcript.requests = 3
    meter.settle(transcript)
    assert transcript.requests == 3


@pytest.fixture
def priced(tmp_path, monkeypatch):
    prices = tmp_path / "prices.toml"
    prices.write_text('[models."x"]\ninput = 1.0\noutput = 1.0\n')
    monkeypatch.setenv("SCRIBE_PRICES", str(prices))


@pytest.mark.usefixtures("priced")
@pytest.mark.parametrize("own", [None, 0.0, 1.5, 2.5])
def test_the_cost_that_reached_the_limit_is_recorded_unless_the_cli_says_more(own):
    transcript, meter = Transcript(cli="claude", model="x"), Meter(Limits(60.0, 5.0, cost_usd=2.0))
    transcript.tokens = Tokens(input=2_100_000)
    assert meter.exceeded(transcript, 1.0, 0.0) == "The limit of 2 US dollars was reached."
    transcript.cost_usd, transcript.tokens, transcript.model = own, Tokens(input=1), None
    meter.settle(transcript)
    assert transcript.cost_usd == max(2.1, own or 0.0)
    assert transcript.tokens == Tokens(input=2_100_000)


@pytest.mark.usefixtures("priced")
def test_below_the_limits_the_cost_is_the_cli_s_own_and_else_that_of_the_table():
    meter = Meter(Limits(60.0, 5.0, cost_usd=20.0))
    transcript = Transcript(cli="claude", model="x", tokens=Tokens(input=3_000_000), cost_usd=1.0)
    assert meter.exceeded(transcript, 1.0, 0.0) is None
    meter.settle(transcript)
    assert transcript.cost_usd == 1.0
    transcript.cost_usd = None
    meter.settle(transcript)
    assert transcript.cost_usd == 3.0


def test_time_goes_before_everything_else_and_silence_is_the_service_s():
    transcript, meter = Transcript(cli="claude", requests=9), Meter(Limits(100.0, 5.0, turns=4))
    assert meter.exceeded(transcript, 101.0, 1.0) == WALL
    assert meter.exceeded(transcript, 101.0, 90.0) == SILENT
    assert stop_reason(None) is EndReason.FINISHED
    assert stop_reason(f"{WALL} of 3 s") is EndReason.TIMEOUT
    assert stop_reason("The limit of 4 turns was reached.") is EndReason.LIMIT
