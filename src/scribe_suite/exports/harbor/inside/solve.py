"""``python -m scribe_suite.exports.harbor.inside.solve SOLUTION COMMAND [ARGUMENT ...]``: the reference solution.

It works as an agent does: COMMAND is the MCP server, whose tools run the cells of the percent-format SOLUTION.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import anyio
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from scribe_suite.notebook.endpoint import STRUCTURED
from scribe_suite.tasks.solutions import parse_percent


class CellFailedError(Exception):
    """A cell of the solution failed, or its answer was refused."""


async def solve(solution: str, command: list[str]) -> str:
    """Run a solution; returns what `submit_answer` said.

    Raises:
        CellFailedError: When a cell or the submission fails.
    """
    async with Client(StdioServerParameters(command=command[0], args=command[1:])) as client:
        session = (await _call(client, "start_new_session", experiment_name="reference"))["session_id"]
        for cell in parse_percent(solution):
            if cell.kind == "markdown":
                await _call(client, "add_markdown", session_id=session, content=cell.source)
            else:
                await _call(client, "execute_code", session_id=session, code=cell.source)
        submitted = await _call(client, "submit_answer", session_id=session, variable="answer")
        return str(submitted.get("message", ""))


async def _call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    meta: Any = {STRUCTURED: True}
    result = await client.call_tool(tool, arguments, meta=meta)
    value = dict(result.structured_content or {})
    if result.is_error or (tool == "execute_code" and value.get("status") != "ok"):
        text = " ".join(block.text for block in result.content if block.type == "text")
        raise CellFailedError(f"{tool} failed: {text[-2000:]}")
    return value


def main() -> int:
    """Solve; returns the exit code."""
    failures: list[str] = []
    try:
        sys.stdout.write(f"{anyio.run(solve, Path(sys.argv[1]).read_text(encoding='utf-8'), sys.argv[2:])}\n")
    except* CellFailedError as group:
        failures = [str(error) for error in group.exceptions]
    if failures:
        sys.stderr.write(f"{failures[0]}\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
