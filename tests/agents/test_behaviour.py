"""What the real CLIs do on a stage, and what becomes of it: outcome, cause, transcript, nothing left behind."""

from __future__ import annotations

import json
import time

import psutil
import pytest

from scribe_suite.tasks.solutions import parse_percent
from tests.agents.conftest import KEY, SOLUTION, Stage
from tests.model_server import solve, usage_total
from tests.plugin.conftest import Run

pytestmark = pytest.mark.agents


def record(run: Run):
    (only,) = run.ledger.attempts
    return only


def transcript(run: Run) -> dict:
    (path,) = run.folder.glob("runs/*/outputs/transcript.json")
    return json.loads(path.read_text())


def leftovers() -> list[str]:
    """Command lines of what a CLI started and nobody waits for any more."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = "scribe-cli-" in " ".join([*process.cmdline(), process.environ().get("HOME", "")])
            if ours and process.ppid() == 1 and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def test_a_bad_answer_is_read_and_a_good_one_given(stage: Stage):
    run = stage.play(solve(parse_percent(SOLUTION), bad_answer="answer = {'components': 3}"))
    result = record(run)
    assert result.outcome == "solved", (result.reason, run.output[-1500:])
    assert result.submissions == 2
    told = transcript(run)
    assert [call["tool"] for call in told["calls"]][-1] == "submit_answer"
    assert [call["is_error"] for call in told["calls"] if call["tool"] == "submit_answer"] == [True, False]
    assert told["messages"][-1]["role"] == "assistant"
    for path in run.folder.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path
    requests = [request for request in stage.models.requests if request.outcome == "reply"]
    wanted = usage_total(requests[0].api, (request.results for request in requests))
    assert result.tokens["input"] + result.tokens.get("cached", 0) >= wanted.input - 1 or result.tokens["input"] > 0
    assert leftovers() == []


@pytest.mark.parametrize("scenario", ["ask_shell", "ask_read_file", "ask_fetch", "ask_agent"])
def test_built_in_tools_are_off(stage: Stage, scenario: str):
    run = stage.play(scenario)
    assert record(run).outcome in ("no_answer", "infrastructure:tools_missing", "infrastructure:cli_crashed")
    told = transcript(run)
    assert all(call["is_error"] or not call["output"] for call in told["calls"] if call["built_in"])


def test_an_agent_that_only_talks_has_given_no_answer(stage: Stage):
    assert record(stage.play("no_tools")).outcome == "no_answer"


def test_an_agent_that_never_stops_reaches_its_limit_of_turns(stage: Stage):
    result = record(stage.play("never_stop", "--max-turns", "4"))
    assert result.outcome == "limit_reached", result.reason
    assert leftovers() == []


def test_the_wall_clock_ends_a_cli_and_what_was_submitted_counts(stage: Stage):
    begin = time.monotonic()
    code = "answer = dict(components=[n for n, v in values.items() if v > 10], confidence=1, summary='s')"
    result = record(stage.play("submit_then_never_stop", "--agent-timeout", "20", code=code))
    assert result.outcome == "solved", result.reason
    assert time.monotonic() - begin < 90
    assert leftovers() == []


@pytest.mark.parametrize(
    ("scenario", "causes"),
    [
        ("status_401", {"auth_rejected"}),
        ("status_403", {"auth_rejected"}),
        ("status_400", {"request_refused"}),
        ("garbage", {"cli_crashed", "server_error", "network", "stalled", "no_response", "request_refused"}),
    ],
)
def test_a_service_that_refuses_is_the_infrastructure_s_failure(stage: Stage, scenario: str, causes: set[str]):
    result = record(stage.play(scenario, "--agent-timeout", "120"))
    assert result.outcome.partition(":")[0] == "infrastructure"
    assert result.outcome.partition(":")[2] in causes, result.reason
    assert KEY not in result.reason


def test_images_and_long_outputs_reach_the_model(stage: Stage):
    assert record(stage.play("image")).outcome == "no_answer"
