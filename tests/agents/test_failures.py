"""The failure table with the real CLIs: what breaks, and as what it is recorded. None of it is the agent's failure."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from scribe_suite.results.records import AttemptRecord
from tests.agents.binaries import argv
from tests.agents.conftest import KEY, KEYS, Stage
from tests.agents.test_behaviour import leftovers, record

pytestmark = pytest.mark.agents

#: Seconds of an attempt; short enough that nothing is started a second time.
ONCE_S = "40"
#: Cause by scenario, and by CLI where they differ.
CAUSES: dict[str, str | dict[str, str]] = {
    "status_404": "request_refused",
    "status_429": "rate_limited",
    "status_500": "server_error",
    "status_529": "server_error",
    "stream_error": "server_error",
    "hang": "no_response",
    "stall": "no_response",
    "disconnect": "network",
}
#: Runs a CLI whose pump has been replaced in every file that names it.
WITH_OTHER_PUMP = """\
#!{python}
import os, pathlib, re, sys
for path in pathlib.Path(os.environ["HOME"]).rglob("*"):
    if path.is_file() and path.suffix in (".json", ".toml"):
        text = path.read_text()
        changed = re.sub(r'(command"?( =|:) )"[^"]*"', r'\\1"{pump}"', text)
        if changed != text:
            path.write_text(changed)
os.execv(sys.argv[1], sys.argv[1:])
"""
#: A server without the notebook's tools.
OTHER_SERVER = """\
#!{python}
from mcp.server.fastmcp import FastMCP
server = FastMCP("other")
@server.tool()
def add(a: int, b: int) -> int:
    return a + b
server.run()
"""


def executable(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def cause_of(result: AttemptRecord) -> str:
    kind, _, cause = result.outcome.partition(":")
    assert kind == "infrastructure", (result.outcome, result.reason)
    return cause


def with_pump(stage: Stage, monkeypatch: pytest.MonkeyPatch, pump: str) -> None:
    script = executable(stage.suite.folder / "cli", WITH_OTHER_PUMP.format(python=sys.executable, pump=pump))
    monkeypatch.setenv(f"SCRIBE_{stage.cli.upper()}_BIN", " ".join([script, *argv(stage.cli)]))


@pytest.mark.parametrize("scenario", CAUSES)
def test_what_a_service_does_wrong_has_its_cause(stage: Stage, scenario: str):
    run = stage.play(scenario, "--agent-timeout", ONCE_S)
    result = record(run)
    expected = CAUSES[scenario]
    assert cause_of(result) == (expected if isinstance(expected, str) else expected[stage.cli]), result.reason
    assert KEY not in run.output
    assert leftovers() == []


@pytest.mark.parametrize("scenario", ["status_429_then_ok", "status_500_then_ok", "disconnect_then_ok"])
def test_a_service_that_recovers_costs_nothing(stage: Stage, scenario: str):
    code = "answer = dict(components=[n for n, v in values.items() if v > 10], confidence=1, summary='s')"
    assert record(stage.play(scenario, code=code)).outcome == "solved"


def test_an_event_that_nobody_knows_is_no_failure(stage: Stage):
    code = "answer = dict(components=[n for n, v in values.items() if v > 10], confidence=1, summary='s')"
    assert record(stage.play("unknown_event", code=code)).outcome == "solved"


def test_without_a_login_nothing_is_started(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(KEYS[stage.cli])
    result = record(stage.play("quick_solve"))
    assert cause_of(result) == "not_logged_in"
    assert KEYS[stage.cli] in result.reason
    assert stage.models.requests == []


def test_a_notebook_that_can_t_be_reached_is_no_failure_of_the_agent(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    with_pump(stage, monkeypatch, "/bin/false")
    result = record(stage.play("no_tools", "--agent-timeout", ONCE_S))
    assert cause_of(result) == "mcp_not_connected", result.reason


def test_an_agent_that_is_offered_no_tools_can_t_fail(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    server = executable(tmp_path / "other_server", OTHER_SERVER.format(python=sys.executable))
    with_pump(stage, monkeypatch, server)
    result = record(stage.play("no_tools", "--agent-timeout", ONCE_S))
    assert cause_of(result) in ("tools_missing", "mcp_not_connected"), result.reason


def test_a_cli_that_is_killed_before_it_did_anything_is_no_failure_of_the_agent(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    command = ["timeout", "-s", "KILL", "6", *argv(stage.cli)]
    monkeypatch.setenv(f"SCRIBE_{stage.cli.upper()}_BIN", " ".join(command))
    result = record(stage.play("never_stop", "--agent-timeout", ONCE_S))
    assert cause_of(result) == "cli_crashed", result.reason


def test_a_program_that_is_no_cli_is_named(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(f"SCRIBE_{stage.cli.upper()}_BIN", "/nonexistent/cli")
    result = record(stage.play("quick_solve"))
    assert cause_of(result) == "cli_missing"
    assert f"SCRIBE_{stage.cli.upper()}_BIN" in result.reason


def test_nothing_of_the_user_s_own_configuration_is_used(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A hook or a setting of the user's would make runs on two machines different things."""
    mark = tmp_path / "ran"
    hook = {"hooks": [{"type": "command", "command": f"touch {mark}"}]}
    settings = json.dumps({"hooks": {"SessionStart": [hook], "UserPromptSubmit": [hook]}})
    for name, text in {
        ".claude/settings.json": settings,
        ".claude/CLAUDE.md": "planted-memory",
        ".codex/AGENTS.md": "planted-memory",
        ".codex/config.toml": f'notify = ["touch", "{mark}"]\n',
        ".gemini/GEMINI.md": "planted-memory",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert record(stage.play("no_tools")).outcome == "no_answer"
    assert not mark.exists()
    assert stage.models.requests
    assert "planted-memory" not in json.dumps([dict(request.body) for request in stage.models.requests])
