"""The standalone server with other clients than the MCP SDK's, which `test_main` has."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scribe_suite.notebook.tools import describe_tools
from tools.agent_clis.binaries import argv, missing

ROOT = Path(__file__).parents[2]
SERVER = [sys.executable, "-m", "scribe_suite.notebook"]
#: What clients pass on to a server is up to them; here it must find this checkout's package.
ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(ROOT / "src")}
NAMES = [tool.name for tool in describe_tools()]
NOT_INSTALLED = missing(["inspector"])


def session_in(text: str) -> str:
    found = re.search(r"\bs\d+\b", text)
    assert found, text
    return found[0]


@pytest.mark.slow
def test_fastmcp_s_client_lists_the_tools_runs_cells_and_is_told_of_errors(tmp_path):
    fastmcp = pytest.importorskip("fastmcp", reason="fastmcp-slim is not installed: pip install -e '.[test]'")
    from fastmcp.client.transports import StdioTransport
    from fastmcp.exceptions import ToolError

    async def scenario() -> tuple[list[str], str]:
        transport = StdioTransport(
            command=SERVER[0], args=[*SERVER[1:], "--dir", str(tmp_path)], env=ENVIRONMENT, keep_alive=False
        )
        async with fastmcp.Client(transport) as client:
            names = [tool.name for tool in await client.list_tools()]
            started = await client.call_tool("start_new_session", {"experiment_name": "mine"})
            session = session_in(started.content[0].text)
            await client.call_tool("execute_code", {"session_id": session, "code": "answer = 6 * 7"})
            shown = await client.call_tool("execute_code", {"session_id": session, "code": "answer"})
            await client.call_tool("submit_answer", {"session_id": session})
            with pytest.raises(ToolError, match="no session"):
                await client.call_tool("execute_code", {"session_id": "s99", "code": "1"})
            return names, shown.content[0].text

    names, shown = asyncio.run(asyncio.wait_for(scenario(), 90))
    assert names == NAMES
    assert "42" in shown
    assert (tmp_path / "notebooks" / "mine.answer.json").read_text() == "42"


def inspect(folder: Path, *method: str) -> tuple[int, dict[str, Any]]:
    """One call with the MCP inspector, which starts a server for each."""
    options = [f"{option}={value}" for option, value in ENVIRONMENT.items()]
    command = [*argv("inspector"), *(part for option in options for part in ("-e", option)), *method]
    done = subprocess.run(
        [*command, "--", *SERVER, "--dir", str(folder)],
        cwd=folder,
        env={"HOME": str(folder), "PATH": ENVIRONMENT["PATH"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.startswith("{"), done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.agents
@pytest.mark.skipif(bool(NOT_INSTALLED), reason=" ".join(NOT_INSTALLED))
def test_the_mcp_inspector_lists_and_calls_the_tools(tmp_path):
    code, listed = inspect(tmp_path, "--method", "tools/list")
    assert (code, [tool["name"] for tool in listed["tools"]]) == (0, NAMES)
    call = ("--method", "tools/call", "--tool-name")
    code, started = inspect(tmp_path, *call, "start_new_session", "--tool-arg", "experiment_name=mine")
    assert code == 0
    session_in(started["content"][0]["text"])
    assert (tmp_path / "notebooks" / "mine.ipynb").is_file()
    code, refused = inspect(tmp_path, *call, "list_cells", "--tool-arg", "session_id=s99")
    assert refused["isError"]
    assert "no session" in refused["content"][0]["text"]
