"""The failure table with the real CLIs: what breaks, and as what it is recorded; what an agent may do itself counts."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
from pathlib import Path

import pytest

from scribe_suite.causes import CAUSES as MEANINGS
from tests.agents.conftest import KEY, KEYS, SOLVE, Played, Stage
from tests.agents.test_behaviour import everyone, leftovers
from tools.agent_clis.binaries import CLIS, argv

pytestmark = pytest.mark.agents

#: Seconds of an attempt; short enough that nothing is started a second time.
ONCE_S = "40"
#: Cause by scenario, and by CLI where they tell it differently.
CAUSES: dict[str, str | dict[str, str]] = {
    "status_400": "request_refused",
    "status_401": "auth_rejected",
    "status_403": "auth_rejected",
    "status_404": "request_refused",
    "status_429": "rate_limited",
    "status_429_retry_after": "rate_limited",
    "status_500": "server_error",
    "status_529": "server_error",
    "stream_error": {"claude": "server_error", "codex": "stalled", "gemini": "stalled"},
    "hang": "no_response",
    "stall": {"claude": "stalled", "codex": "no_response", "gemini": "no_response"},
    "disconnect": "network",
}
#: What garbage is called is a matter of taste.
GARBAGE = ("cli_crashed", "server_error", "network", "stalled", "no_response", "request_refused")
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
from mcp.server import MCPServer
server = MCPServer("other")
@server.tool()
def add(a: int, b: int) -> int:
    return a + b
server.run()
"""

#: A pump that tells its environment, by the one way out that a CLI's sandbox has, and ends.
TELLS_ENVIRONMENT = """\
#!{python}
import os, socket
with socket.create_connection(("127.0.0.1", {port})) as connection:
    connection.sendall(repr(dict(os.environ)).encode())
"""


def executable(path: Path, text: str) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def collect(listener: socket.socket, told: list[str]) -> None:
    """Keep what is sent to a listener, a text for each connection, until it is closed."""
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, connection.makefile() as file:
                told.append(file.read())


def causes(played: Played) -> dict[str, str]:
    assert all(outcome.startswith("infrastructure:") for outcome in played.outcomes.values()), played.told
    return {cli: outcome.partition(":")[2] for cli, outcome in played.outcomes.items()}


def with_pump(stage: Stage, folder: Path, pump: str) -> None:
    """Let the CLIs start another pump; one of our own lies in a folder that they are shown."""
    if pump.startswith(str(folder)):
        stage.set_variable("SCRIBE_COMMAND_FOLDERS", str(Path(pump).parent))
    script = executable(folder / "cli", WITH_OTHER_PUMP.format(python=sys.executable, pump=pump))
    for cli in CLIS:
        stage.run_as(cli, script, *argv(cli))


@pytest.mark.parametrize("scenario", CAUSES)
def test_what_a_service_does_wrong_has_its_cause(stage: Stage, scenario: str):
    played = stage.play(scenario, "--agent-timeout", ONCE_S)
    expected = CAUSES[scenario]
    assert causes(played) == (everyone(expected) if isinstance(expected, str) else expected), played.told
    assert KEY not in played.run.output
    assert leftovers() == []


def test_an_answer_that_can_t_be_read_is_no_failure_of_the_agent(stage: Stage):
    played = stage.play("garbage", "--agent-timeout", ONCE_S)
    assert set(causes(played).values()) <= set(GARBAGE), played.told


@pytest.mark.parametrize(
    "scenario", ["status_429_then_ok", "status_500_then_ok", "disconnect_then_ok", "unknown_event"]
)
def test_what_a_cli_gets_over_costs_nothing(stage: Stage, scenario: str):
    played = stage.play(scenario, code=SOLVE)
    assert played.outcomes == everyone("solved"), played.told


def test_a_service_that_breaks_in_the_middle_is_no_failure_of_the_agent(stage: Stage):
    played = stage.play("status_500_after_cell", "--agent-timeout", "90")
    assert causes(played) == everyone("server_error"), played.told
    assert all(record.tool_calls for record in played.records.values())


@pytest.mark.parametrize(
    ("scenario", "outcome", "cause"),
    [
        ("status_400_after_cell", "no_answer", "conversation_refused"),
        ("context_overflow", "limit_reached", "context_overflow"),
    ],
)
def test_a_conversation_that_an_agent_has_made_impossible_counts(stage: Stage, scenario: str, outcome: str, cause: str):
    played = stage.play(scenario, "--agent-timeout", "90")
    assert played.outcomes == everyone(outcome), played.told
    assert {cli: played.transcript(cli)["end_reason"] for cli in CLIS} == everyone(cause)
    assert all(record.reason.startswith(MEANINGS[cause].meaning) for record in played.records.values()), played.records


def test_an_answer_that_stops_in_the_middle_is_no_failure_of_the_agent(stage: Stage):
    played = stage.play("stall_after_cell", "--agent-timeout", "75")
    assert causes(played) == everyone("stalled"), played.told
    assert all(record.tool_calls for record in played.records.values())


def test_the_notebook_s_side_is_not_given_the_key(stage: Stage, tmp_path: Path):
    told: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=collect, args=(listener, told), daemon=True).start()
        text = TELLS_ENVIRONMENT.format(python=sys.executable, port=listener.getsockname()[1])
        with_pump(stage, tmp_path, executable(tmp_path / "pumps" / "pump", text))
        stage.play("no_tools", "--agent-timeout", ONCE_S)
    assert len(told) >= len(CLIS)
    assert all("PATH" in environment and KEY not in environment for environment in told)


def test_without_a_login_nothing_is_started(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in KEYS.values():
        monkeypatch.delenv(name)
    played = stage.play("quick_solve")
    assert causes(played) == everyone("not_logged_in")
    assert all(KEYS[cli] in played.records[cli].reason for cli in CLIS)
    assert stage.models.requests == []


def test_a_notebook_that_can_t_be_reached_is_no_failure_of_the_agent(stage: Stage, tmp_path: Path):
    with_pump(stage, tmp_path, "/bin/false")
    played = stage.play("no_tools", "--agent-timeout", ONCE_S)
    assert causes(played) == everyone("mcp_not_connected"), played.told


def test_an_agent_that_is_offered_other_tools_can_t_fail(stage: Stage, tmp_path: Path):
    server = executable(tmp_path / "pumps" / "other_server", OTHER_SERVER.format(python=sys.executable))
    with_pump(stage, tmp_path, server)
    played = stage.play("no_tools")
    assert causes(played) == everyone("mcp_not_connected"), played.told


def test_a_cli_that_is_killed_before_it_did_anything_is_no_failure_of_the_agent(stage: Stage):
    for cli in CLIS:
        stage.run_as(cli, "timeout", "-s", "KILL", "6", *argv(cli))
    played = stage.play("hang", "--agent-timeout", ONCE_S)
    assert causes(played) == everyone("cli_crashed"), played.told


def test_a_program_that_is_no_cli_is_named(stage: Stage):
    for cli in CLIS:
        stage.run_as(cli, "/nonexistent/cli")
    played = stage.play("quick_solve")
    assert causes(played) == everyone("cli_missing")
    assert all(f"SCRIBE_{cli.upper()}_BIN" in played.records[cli].reason for cli in CLIS)


def test_nothing_of_the_user_s_own_configuration_is_used(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A hook or a memory file of the user's would make runs on two machines different things."""
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
    played = stage.play("no_tools")
    assert played.outcomes == everyone("no_answer"), played.told
    assert not mark.exists()
    for cli in CLIS:
        asked = json.dumps([dict(request.body) for request in stage.requests(cli)])
        assert len(asked) > 1000
        assert "planted-memory" not in asked, cli
