"""The guide's commands register the notebook with the real CLIs, and Claude Code finds it connected."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tools.agent_clis.binaries import CLIS, Cli, argv

pytestmark = pytest.mark.agents

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guide" / "notebook.md").read_text()
_, _, REST = GUIDE.partition("<!-- commands: run by tests/agents/test_registration.py -->")
COMMANDS = {
    line.split()[0]: line.strip() for line in REST.partition("<!-- end of commands -->")[0].splitlines() if line
}


def home_of(folder: Path) -> Path:
    """Beside the folder of the research: a project in one's home is none to Gemini CLI."""
    home = folder.with_name(f"{folder.name}-home")
    home.mkdir(exist_ok=True)
    return home


def shell(cli: Cli, folder: Path, command: str) -> str:
    """Run a command of a CLI, which has a home of its own and may reach nothing but this machine."""
    program = shlex.join(argv(cli))
    environment = {
        "HOME": str(home_of(folder)),
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT / "src"),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "GEMINI_CLI_NO_RELAUNCH": "true",
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
    }
    done = subprocess.run(
        ["bash", "-c", f'{cli}() {{ {program} "$@"; }}; {command}'],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def registered(cli: Cli, folder: Path) -> dict[str, Any]:
    """What a CLI has written down."""
    if cli == "codex":
        return dict(tomllib.loads((home_of(folder) / ".codex/config.toml").read_text())["mcp_servers"])
    if cli == "gemini":
        return dict(json.loads((folder / ".gemini/settings.json").read_text())["mcpServers"])
    return dict(json.loads((home_of(folder) / ".claude.json").read_text())["projects"][str(folder)]["mcpServers"])


@pytest.mark.parametrize("cli", CLIS)
def test_the_guide_s_command_registers_the_notebook(cli: Cli, tmp_path: Path):
    folder = tmp_path / "research"
    folder.mkdir()
    shell(cli, folder, COMMANDS[cli])
    row = registered(cli, folder)["notebook"]
    assert row["command"] == sys.executable
    assert row["args"] == ["-m", "scribe_suite.notebook", "--dir", f"{folder}/experiments"]
    listed = shell(cli, folder, f"{cli} mcp list")
    assert "notebook" in listed
    if cli == "claude":  # Codex doesn't try to connect, and Gemini CLI gives up after a few seconds
        assert "Connected" in listed
