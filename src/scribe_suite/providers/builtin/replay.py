"""The replay provider: runs the cells of a recorded attempt again, in fresh kernels, and submits again.

The same answer means that the notebook is reproducible. The harness reads the cells from the attempt's journals and
compares the answers: a provider sees no ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scribe_suite.errors import InfrastructureError
from scribe_suite.providers.base import AttemptContext, Provider, ProviderResult
from scribe_suite.providers.builtin.client_loop import drive
from scribe_suite.providers.builtin.mcp_client import NotebookClient
from scribe_suite.providers.replays import REPLAY, Action, Replay, Step

#: Tool and arguments of each action on an open session.
_CALLS: dict[Action, tuple[str, Callable[[Step], dict[str, Any]]]] = {
    "run": ("execute_code", lambda step: {"code": step.text}),
    "edit": ("edit_cell", lambda step: {"code": step.text, "cell_index": step.cell}),
    "note": ("add_markdown", lambda step: {"content": step.text}),
    "submit": ("submit_answer", lambda step: {"variable": step.text}),
    "close": ("shutdown_session", lambda _: {}),
}


class ReplayProvider(Provider):
    """Repeats a recorded attempt's actions on the notebook."""

    name = REPLAY
    summary = "replay:RUN runs the cells of a recorded run again, on its instances: does the same answer come out?"
    needs = frozenset({"replay"})

    def attempt(self, context: AttemptContext) -> ProviderResult:
        """Replay the recorded attempt."""
        replay: Replay = context.material["replay"]

        async def work(notebook: NotebookClient) -> str:
            sessions = _ReplayedSessions(notebook)
            for step in replay.steps:
                await sessions.do(step)
            return sessions.refusal

        return drive(context, work)


class _ReplayedSessions:
    """The sessions of a replay, by recorded notebook."""

    def __init__(self, notebook: NotebookClient) -> None:
        self._notebook = notebook
        self._sessions: dict[str, str] = {}
        self._paths: dict[str, str] = {}
        self.refusal = ""

    async def do(self, step: Step) -> None:
        """Execute one step. Failing cells are part of the attempt; only a session that does not start ends a replay."""
        if step.action == "start":
            await self._open(step, "start_new_session", experiment_name=step.notebook)
        elif step.action == "resume":
            # its kernel had died, or was shut down in order to resume
            await self._notebook.call("shutdown_session", session_id=self._sessions.get(step.notebook, ""))
            path = self._paths.get(step.notebook, step.notebook)
            await self._open(step, "start_session_resume_notebook", notebook_path=path)
        else:
            tool, arguments = _CALLS[step.action]
            session = self._sessions.get(step.notebook, "")
            done = await self._notebook.call(tool, session_id=session, **arguments(step))
            if step.action == "submit":
                self.refusal = done.line if done.is_error else ""

    async def _open(self, step: Step, tool: str, **arguments: str) -> None:
        started = await self._notebook.call(tool, **arguments)
        if started.is_error or "session_id" not in started.value:
            raise InfrastructureError(
                "session_start", f"The notebook {step.notebook} could not be opened again: {started.line[:500]}"
            )
        self._sessions[step.notebook] = str(started.value["session_id"])
        self._paths[step.notebook] = str(started.value["notebook_path"])
