"""What the real CLIs do on a stage, and what becomes of it: outcome, limits, transcript, nothing left behind."""

from __future__ import annotations

import json
import time

import psutil
import pytest

from scribe_suite.tasks.solutions import parse_percent
from tests.agents.conftest import KEY, SOLUTION, SOLVE, Stage
from tools.agent_clis.binaries import CLIS
from tools.model_server import Scenario, Step, solve, usage_total
from tools.model_server.scenario import RESULT, SESSION, Call

pytestmark = pytest.mark.agents


def everyone(outcome: str) -> dict[str, str]:
    return dict.fromkeys(CLIS, outcome)


def leftovers(patience_s: float = 15.0) -> list[str]:
    """Command lines of what a CLI started and nobody waits for any more; another test may be about to kill its own."""
    deadline = time.monotonic() + patience_s
    while (found := _orphans()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def _orphans() -> list[str]:
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
    played = stage.play(solve(parse_percent(SOLUTION), bad_answer="answer = {'components': 3}"))
    assert played.outcomes == everyone("solved"), played.told
    for cli in CLIS:
        record, told = played.records[cli], played.transcript(cli)
        assert record.submissions == 2
        assert [call["tool"] for call in told["calls"]][-1] == "submit_answer"
        assert [call["is_error"] for call in told["calls"] if call["tool"] == "submit_answer"] == [True, False]
        assert all(call["ended"] >= call["started"] for call in told["calls"])
        assert told["messages"][-1]["role"] == "assistant"
        replies = [request for request in stage.requests(cli) if request.outcome == "reply"]
        used = usage_total(replies[0].api, (request.results for request in replies))
        assert record.tokens["input"] == used.input - used.cached, cli
        assert record.tokens["cached"] == used.cached, cli
        assert record.tokens["output"] + record.tokens.get("reasoning", 0) == used.output, cli
        assert record.turns == len(replies), cli
        assert record.model, cli
        assert record.agent_version, cli
    for path in stage.suite.folder.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path
    assert KEY not in played.run.output
    assert leftovers() == []


@pytest.mark.parametrize("scenario", ["ask_shell", "ask_read_file", "ask_fetch", "ask_agent"])
def test_built_in_tools_are_off(stage: Stage, scenario: str):
    played = stage.play(scenario)
    assert played.outcomes == everyone("no_answer"), played.told  # it chose to ask for them
    for cli in CLIS:
        calls = played.transcript(cli)["calls"]
        assert all(call["is_error"] or not call["output"] for call in calls if call["built_in"]), (cli, calls)


def test_an_agent_that_only_talks_has_given_no_answer(stage: Stage):
    played = stage.play("no_tools")
    assert played.outcomes == everyone("no_answer"), played.told


def test_an_agent_that_gives_up_has_given_no_answer(stage: Stage):
    played = stage.play("gives_up")
    assert played.outcomes == everyone("no_answer"), played.told


def test_an_agent_that_never_stops_reaches_its_limit_of_turns(stage: Stage):
    played = stage.play("never_stop", "--max-turns", "4")
    assert played.outcomes == everyone("limit_reached"), played.told
    assert leftovers() == []


def test_an_agent_that_never_stops_reaches_its_limit_of_tokens(stage: Stage):
    played = stage.play("never_stop", "--max-tokens", "9000")
    assert played.outcomes == everyone("limit_reached"), played.told
    assert all(sum(record.tokens.values()) > 9000 for record in played.records.values()), played.records
    assert leftovers() == []


def test_the_wall_clock_ends_a_cli_and_what_was_submitted_counts(stage: Stage):
    begin = time.monotonic()
    played = stage.play("submit_then_never_stop", "--agent-timeout", "30", code=SOLVE)
    assert played.outcomes == everyone("solved"), played.told
    assert {record.end_reason for record in played.records.values()} == {"timeout"}
    assert time.monotonic() - begin < 120
    assert leftovers() == []


@pytest.mark.parametrize(
    ("scenario", "outcome", "parameters"),
    [
        ("quick_solve", "solved", {"code": SOLVE}),
        ("bad_then_good", "solved", {"good": SOLVE}),
        ("long_cell", "no_answer", {"seconds": 15}),
        ("big_output", "no_answer", {}),
        ("image", "no_answer", {}),
        ("parallel", "no_answer", {}),
    ],
)
def test_a_conversation_takes_its_course(stage: Stage, scenario: str, outcome: str, parameters: dict[str, object]):
    played = stage.play(scenario, **parameters)
    assert played.outcomes == everyone(outcome), played.told
    for cli in CLIS:
        calls = played.transcript(cli)["calls"]
        assert calls
        assert all(call["ended"] is not None for call in calls)
        # the scenario's last reply is the end of the conversation, so all its steps were played
        assert [request.mismatch for request in stage.requests(cli) if request.mismatch] == []


def test_tools_called_at_once_images_and_long_outputs_reach_the_model(stage: Stage):
    def run(code: str) -> Call:
        return Call(tool="execute_code", arguments={"session_id": SESSION, "code": code})

    figure = "import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])\nplt.show()"
    scenario = Scenario(
        name="outputs",
        summary="Three calls at once: a figure, a long text, a note.",
        steps=(
            Step(calls=(Call(tool="start_new_session", arguments={"experiment_name": "outputs"}),)),
            Step(
                calls=(
                    run(figure),
                    run("print('begin' + 'x' * 59992 + 'end')"),
                    Call(tool="add_markdown", arguments={"session_id": SESSION, "content": "third"}),
                )
            ),
            Step(text=f"Seen: {RESULT}"),
        ),
    )
    played = stage.play(scenario)
    assert played.outcomes == everyone("no_answer"), played.told
    for cli in CLIS:
        assert [call["tool"] for call in played.transcript(cli)["calls"]].count("execute_code") == 2
        asked = json.dumps(dict(stage.requests(cli)[-1].body))
        assert "iVBORw0KGgo" in asked, f"{cli} got no figure"
        assert "begin" in asked, cli
        assert "xend" in asked, f"{cli} got no end of the long text"
