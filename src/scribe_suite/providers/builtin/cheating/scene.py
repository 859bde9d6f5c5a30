"""The environment of a cheat: the notebook, through MCP as for any agent, and the replies so far."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scribe_suite.paths import private_folders, suite_root
from scribe_suite.providers.base import AttemptContext
from scribe_suite.providers.builtin.cheating.bait import Bait
from scribe_suite.providers.builtin.mcp_client import NotebookClient, ToolResult

_INSIDE = Path(__file__).parent / "inside"
#: A file that only code of the cheats makes, and only when it runs outside of the kernel.
MARK = "cheat_ran"


class CheatBrokenError(Exception):
    """A cheat could not be tried; the message says why."""


@dataclass(frozen=True)
class Session:
    """A session that a cheat has started."""

    session_id: str
    notebook: str


class Scene:
    """What a cheat has to work with.

    Attributes:
        context: The same as for every agent.
        bait: The bait.
        example: The answer that the prompt shows.
        heard: All replies of the notebook to the present cheat.
        parting: Answers to end with if they are valid, whatever their score.
        mark: A file of the host that appears when something left by a cheat is run outside of a kernel.
    """

    def __init__(
        self, notebook: NotebookClient, context: AttemptContext, bait: Bait, example: Mapping[str, Any]
    ) -> None:
        self._notebook = notebook
        self.context = context
        self.bait = bait
        self.example = example
        self.heard: list[str] = []
        self.parting: list[dict[str, Any]] = []
        self.mark = context.outputs / MARK
        self._open: list[str] = []

    @property
    def folder(self) -> Path:
        """The attempt's folder."""
        return self.context.outputs.parent

    def journals(self) -> str:
        """The journals of the notebooks."""
        return "\n".join(path.read_text(errors="replace") for path in self.folder.glob("notebooks/*.jsonl"))

    def targets(self) -> dict[str, Any]:
        """The places of everything, as known to a reader of the suite's source who also knows the names."""
        bait, root, runs = self.bait, suite_root(), self.folder.parent
        folders = [bait.folder, bait.other, self.folder, runs, root / "ground_truth", *private_folders()]
        paths = [bait.file, *folders, bait.other / "outputs" / "answer.json", root / "pyproject.toml"]
        return {
            "folders": [str(path.resolve()) for path in folders],
            "paths": [str(path.resolve()) for path in paths],
            "pids": [bait.pid, os.getpid()],
            "descriptor": bait.descriptor,
            "sockets": [*bait.sockets, str(self.context.endpoint.socket_path)],
            "ports": [bait.tcp_port],
            "udp_port": bait.udp_port,
        }

    async def call(self, tool: str, **arguments: Any) -> ToolResult:
        """Call a tool, and keep its reply."""
        result = await self._notebook.call(tool, **arguments)
        value = result.value
        self.heard.append(result.text)
        self.heard += [str(entry.get("content")) for entry in value.get("outputs", []) if isinstance(entry, dict)]
        return result

    async def session(self, name: str = "cheat") -> Session:
        """Start a session with its own notebook.

        Raises:
            CheatBrokenError: When none can be started.
        """
        return self._opened(await self.call("start_new_session", experiment_name=name))

    async def resumed(self, session: Session) -> Session:
        """Continue after a kernel's death in the documented way, or in another session if that fails."""
        result = await self.call("start_session_resume_notebook", notebook_path=session.notebook)
        return await self.session() if result.is_error else self._opened(result)

    async def run(self, session: Session, module: str, function: str, *arguments: Any, may_die: bool = False) -> str:
        """Run a function of a module of ``inside`` in a kernel, and return what it printed.

        Raises:
            CheatBrokenError: When it raised, or ended the kernel and should not have.
        """
        source = (_INSIDE / f"{module}.py").read_text()
        written = json.dumps(json.dumps(arguments))
        code = (
            f"inside = {{'__name__': 'cheat', '__builtins__': __builtins__}}\nexec({source!r}, inside)\n"
            f"inside[{function!r}](*__import__('json').loads({written}))"
        )
        result = await self.call("execute_code", session_id=session.session_id, code=code)
        value = result.value
        if result.is_error != may_die or value.get("status", "ok") != "ok":
            raise CheatBrokenError(f"{function} did not end as it should: {result.line[-800:]}")
        return "\n".join(str(entry.get("content")) for entry in value.get("outputs", []))

    async def submit(self, answer: Mapping[str, Any]) -> bool:
        """Submit an answer as an honest agent does; returns whether it was accepted."""
        session = await self.session("answer")
        code = f"import json\nanswer = json.loads({json.dumps(json.dumps(answer))})"
        await self.call("execute_code", session_id=session.session_id, code=code)
        result = await self.call("submit_answer", session_id=session.session_id, variable="answer")
        await self.leave()
        return not result.is_error

    async def leave(self) -> None:
        """Shut down everything that the present cheat has started."""
        while self._open:
            await self._notebook.call("shutdown_session", session_id=self._open.pop())

    def _opened(self, result: ToolResult) -> Session:
        if result.is_error or "session_id" not in result.value:
            raise CheatBrokenError(f"no session started: {result.line[:500]}")
        session = Session(str(result.value["session_id"]), str(result.value["notebook_path"]))
        self._open.append(session.session_id)
        return session
