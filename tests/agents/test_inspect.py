"""Inspect as a provider, end to end: pytest, Inspect's process, pump, kernel, answer, ledger. `make test-inspect`."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from scribe_suite.causes import CAUSES as MEANINGS
from scribe_suite.tasks.solutions import parse_percent
from tests.agents.conftest import KEY, SOLUTION, SOLVE, suite
from tests.plugin.conftest import Run, Suite
from tools.model_server import ModelServer, Scenario, solve, usage_total
from tools.model_server.usage import Usage

__all__ = ["suite"]

INSPECT = shutil.which("inspect", path=str(Path(sys.executable).parent)) or shutil.which("inspect")
PROGRAM = os.environ.get("SCRIBE_INSPECT_BIN", INSPECT or "")
pytestmark = [
    pytest.mark.inspect,
    pytest.mark.skipif(not PROGRAM, reason="Inspect is not installed: `make test-inspect` installs and uses it"),
]

#: By name of a service, as environment variables spell it: the scenario that it plays, the outcome, and its cause.
TROUBLE: Mapping[str, tuple[str, str, str | None]] = {
    "LOGIN": ("status_401", "infrastructure:auth_rejected", "auth_rejected"),
    "LATER": ("status_500_after_cell", "infrastructure:server_error", "server_error"),
    "UNKNOWN": ("status_404", "infrastructure:request_refused", "request_refused"),
    "LONG": ("context_overflow", "limit_reached", "context_overflow"),
    "REFUSED": ("status_400_after_cell", "no_answer", "conversation_refused"),
    "ENDLESS": ("never_stop", "limit_reached", "limit_reached"),
    "MENDED": ("status_500_then_ok", "solved", "finished"),
    "TALKS": ("gives_up", "no_answer", "finished"),
}
#: Runs Inspect with a model that plays a list of tool calls, as mockllm can only be told from Python.
MOCK = """\
#!{python}
import re, sys
from inspect_ai.model import ModelOutput, ModelUsage
from inspect_ai.model._providers.mockllm import MockLLM
PLAY = {play!r}
def outputs(messages, tools, choice, config):
    results = [message for message in messages if message.role == "tool"]
    if len(results) < len(PLAY):
        tool, arguments = PLAY[len(results)]
        if results:
            session = re.search(r"session_id:\\s*(\\S+)", results[0].text)[1]
            arguments = {{"session_id": session, **arguments}}
        output = ModelOutput.for_tool_call("mockllm", tool, arguments)
    else:
        output = ModelOutput.from_content("mockllm", "I am done.")
    output.usage = ModelUsage(input_tokens=100, output_tokens=30, total_tokens=130, reasoning_tokens=10)
    return output
begin = MockLLM.__init__
MockLLM.__init__ = lambda self, *args, **rest: begin(self, *args, **{{**rest, "custom_outputs": outputs}})
from inspect_ai._cli.main import main
main()
"""


@pytest.fixture
def services(suite: Suite, monkeypatch: pytest.MonkeyPatch):
    """Runs the toy task with a service for each name, each of which plays a scenario."""
    monkeypatch.setenv("SCRIBE_INSPECT_BIN", PROGRAM)
    monkeypatch.setenv("INSPECT_EVAL_MAX_RETRIES", "1")
    with ModelServer() as models:

        def run(scenarios: Mapping[str, str | Scenario], *options: str, providers: tuple[str, ...] = (), **parameters):
            urls = {}
            for name, scenario in scenarios.items():
                given = parameters if scenario in ("status_500_then_ok", "quick_solve") else {}
                urls[name] = models.base_url("openai-chat", scenario, **given)
                monkeypatch.setenv(f"{name}_BASE_URL", urls[name])
                monkeypatch.setenv(f"{name}_API_KEY", KEY)
            named = [*(f"inspect:openai-api/{name.lower()}/m1" for name in scenarios), *providers]
            made = suite.run("--provider", ",".join(named), "-n", "2", "--instance-seed", "5", *options, timeout_s=900)
            return made, {name: models.requests_of(url) for name, url in urls.items()}

        yield run


def records(run: Run):
    """By service, or by provider without one."""
    return {one.provider.split("/")[1].upper() if "/" in one.provider else one.provider: one
            for one in run.ledger.attempts}  # fmt: skip


def transcript(run: Run, record) -> dict:
    return json.loads((run.folder / "runs" / record.folder / "outputs" / "transcript.json").read_text())


def told(run: Run) -> str:
    return "\n".join(f"{record.provider}: {record.outcome} {record.reason}" for record in run.ledger.attempts)


def test_a_scripted_solve_has_the_record_of_the_reference_and_writes_no_key(services):
    run, requests = services({"LAB": solve(parse_percent(SOLUTION))}, providers=("reference",))
    made = records(run)
    lab, reference = made["LAB"], made["reference"]
    assert lab.outcome == reference.outcome == "solved", told(run)
    assert (lab.metrics, lab.skill, lab.task_version) == (reference.metrics, reference.skill, reference.task_version)
    assert lab.cost_usd is None  # m1 has no price
    conversation = transcript(run, lab)
    assert [call["tool"] for call in conversation["calls"]] == [
        "start_new_session", "add_markdown", "execute_code", "execute_code", "submit_answer",
    ]  # fmt: skip
    assert all(call["ended"] is not None and not call["is_error"] for call in conversation["calls"])
    assert lab.tool_calls == len(conversation["calls"])
    assert lab.turns == len(requests["LAB"]) == 6
    used = usage_total("openai-chat", [request.results for request in requests["LAB"]])
    counted = conversation["tokens"]
    assert used == Usage(
        counted["input"] + counted["cached"], counted["cached"], counted["output"] + counted["reasoning"],
        counted["reasoning"],
    )  # fmt: skip
    # nothing but the prompt and the notebook's tools
    first = requests["LAB"][0]
    assert [message["role"] for message in first.body["messages"]] == ["user"]
    prompt = (run.folder / "runs" / lab.folder / "outputs" / "prompt.md").read_text()
    assert first.body["messages"][0]["content"] == prompt
    assert {"start_new_session", "execute_code", "submit_answer"} <= set(first.offered)
    assert "submit" not in first.offered
    assert first.headers["authorization"] == f"Bearer {KEY}"
    written = [path for path in (run.folder / "runs").rglob("*") if path.is_file()]
    assert len(written) > 10
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []
    assert KEY not in run.output


def test_what_goes_wrong_has_its_outcome_and_cause(services):
    run, requests = services(
        {name: scenario for name, (scenario, _, _) in TROUBLE.items()},
        "--agent-timeout", "120", "--max-turns", "6", code=SOLVE,
    )  # fmt: skip
    made = records(run)
    assert {name: record.outcome for name, record in made.items()} == {
        name: outcome for name, (_, outcome, _) in TROUBLE.items()
    }, told(run)
    ended = {name: transcript(run, record)["end_reason"] for name, record in made.items()}
    # the seventh answer passes Inspect's limit and the harness's at the same moment, and either may be first
    assert ended.pop("ENDLESS") in ("limit", "limit_reached")
    assert ended == {name: cause for name, (_, _, cause) in TROUBLE.items() if name != "ENDLESS"}, told(run)
    assert made["LONG"].reason.startswith(MEANINGS["context_overflow"].meaning)
    assert len(made["LONG"].reason) < 500  # the service's words, not the request
    assert len(requests["ENDLESS"]) <= 7
    assert KEY not in run.output


def test_without_a_key_nothing_is_asked(services, monkeypatch, suite: Suite):
    run = suite.run("--provider", "inspect:openai-api/nokey/m1")
    (record,) = run.ledger.attempts
    assert record.outcome == "infrastructure:not_logged_in"
    assert "OPENAI_API_KEY" in record.reason


def test_mockllm_solves_the_toy(services, suite: Suite, monkeypatch: pytest.MonkeyPatch):
    play = [
        ("start_new_session", {"experiment_name": "mock"}),
        ("execute_code", {"code": "1 / 0"}),
        ("execute_code", {"code": SOLVE}),
        ("submit_answer", {"variable": "nothing"}),
        ("submit_answer", {"variable": "answer"}),
    ]
    python = Path(PROGRAM).resolve().parent / "python"
    program = suite.write("program/inspect", MOCK.format(python=python, play=play))
    program.chmod(0o755)
    monkeypatch.setenv("SCRIBE_INSPECT_BIN", str(program))
    run = suite.run("--provider", "inspect:mockllm/model", "--trials", "2", timeout_s=900)
    assert [record.outcome for record in run.ledger.attempts] == ["solved", "solved"], told(run)
    for record in run.ledger.attempts:
        assert (record.turns, record.tool_calls) == (6, 5)
        assert record.tokens == {"input": 600, "output": 120, "reasoning": 60}
        conversation = transcript(run, record)
        assert [call["is_error"] for call in conversation["calls"]] == [False, False, False, True, False]
        assert "ZeroDivisionError" in conversation["calls"][1]["output"]
