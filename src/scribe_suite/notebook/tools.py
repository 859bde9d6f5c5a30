"""The notebook's MCP tools: names and arguments are Goodfire Scribe's, with three of our own.

Each tool is one row of `TOOLS`: an argument model, whose docstring is what the agent reads, and a method. Whatever an
agent passes, the answer is a result: errors are results too, with ``isError`` and a sentence that says what to do.
"""

from __future__ import annotations

import base64
import inspect
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mcp_types import CallToolResult, ContentBlock, ImageContent, TextContent, Tool, ToolAnnotations
from pydantic import BaseModel, Field, ValidationError

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.agent_view import AgentView, fit_text, view_outputs
from scribe_suite.notebook.config import NotebookConfig, SubmitVerdict
from scribe_suite.notebook.counters import Counters
from scribe_suite.notebook.daemon_work import DaemonWork
from scribe_suite.notebook.document import Cell
from scribe_suite.notebook.errors import AnswerUnreadableError, DeadKernelError, NotebookError
from scribe_suite.notebook.outputs import Output
from scribe_suite.notebook.owned_tasks import OwnedTasks
from scribe_suite.notebook.session import CellResult, Session
from scribe_suite.notebook.session_table import MAX_NAME, Restoration, SessionTable
from scribe_suite.text import strip_terminal

logger = logging.getLogger(__name__)

#: Characters of a cell.
MAX_SOURCE = 1_000_000
#: Cells that list_cells shows in one call.
LISTED_CELLS = 200
#: Calls that may be waiting for their answers, those whose client has given up included; as many of interrupt.
MAX_OPEN_CALLS = 32
#: Seconds that the images of one result may take, all together; ordinary ones take a few tenths.
IMAGES_S = 20.0

SessionId = Field(description="The session_id that a start_... tool returned.")
NotebookPath = Field(
    description='Name of the notebook as a tool returned it, such as "notebook.ipynb".', max_length=MAX_NAME
)


class StartNewSession(BaseModel):
    """Start a new Jupyter kernel with an empty notebook.

    Returns session_id, which the other tools need, and notebook_path. If there is a setup cell it has been run
    already: it is cell 0 of the notebook and what it defines is there.
    """

    experiment_name: str | None = Field(None, description='Name for the notebook file, such as "attention_heads".')


class ResumeNotebook(BaseModel):
    """Start a new kernel for an existing notebook and run its cells again, in place.

    This is the way back after a kernel has died. Cells that killed the kernel, timed out or were interrupted are not
    run again; restoration_errors names cells that raised.
    """

    notebook_path: str = NotebookPath


class ContinueNotebook(BaseModel):
    """Copy an existing notebook to a new one, start a kernel and run the copy's cells; the original is not changed."""

    notebook_path: str = NotebookPath
    experiment_name: str | None = Field(None, description="Name for the new notebook file.")


class ExecuteCode(BaseModel):
    """Run Python code in a new cell and return what it puts out; variables stay for later cells.

    The result has execution_count, status (ok, error, interrupted or timeout) and outputs; figures follow as images.
    The last expression of a cell is shown, as in Jupyter; IPython magics work. Long text is shortened in the middle,
    so print what you need. A cell that runs too long is interrupted, and its session lives on.
    """

    session_id: str = SessionId
    code: str = Field(description="Python source of the cell.", max_length=MAX_SOURCE)


class AddMarkdown(BaseModel):
    """Add a Markdown cell to the notebook, to note a finding or structure the work. Returns its cell number."""

    session_id: str = SessionId
    content: str = Field(description="Markdown text.", max_length=MAX_SOURCE)


class EditCell(BaseModel):
    """Replace the code of an existing code cell and run it, for example to fix an error in the last cell.

    Later cells are not run again. The result is that of execute_code, with cell_index.
    """

    session_id: str = SessionId
    code: str = Field(description="The new Python source.", max_length=MAX_SOURCE)
    cell_index: int = Field(-1, description="Number among the code cells, from 0; -1 is the last one.")


class ShutdownSession(BaseModel):
    """End a session: its kernel and variables are gone, its notebook stays and can be resumed."""

    session_id: str = SessionId


class Interrupt(BaseModel):
    """Interrupt the cell that is running, as Ctrl-C would; variables stay. Works while execute_code is waiting."""

    session_id: str = SessionId


class ListCells(BaseModel):
    """List the cells of the notebook: source, status and the beginning of the text of each output."""

    session_id: str = SessionId


class SubmitAnswer(BaseModel):
    """Submit the value of a variable of the session as your answer.

    Build the answer in the kernel (a dict; arrays, tensors and sets are converted), then name the variable here: large
    values need not be typed out. The result says whether the answer was accepted, and if not, what is wrong with it;
    you may submit again.
    """

    session_id: str = SessionId
    variable: str = Field("answer", description="Name of the variable that holds the answer.")


@dataclass(frozen=True)
class ToolReply:
    """What a tool gives back: a JSON-safe dict, PNG images, and whether it is an error."""

    payload: dict[str, Any]
    images: list[bytes] = field(default_factory=list)
    is_error: bool = False


class NotebookTools:
    """Answers tool calls.

    Args:
        table: The sessions.
        config: The server's configuration.
        counters: Counts what happens.
        on_submit: Judges submitted JSON text; None to write it next to the notebook.
    """

    def __init__(
        self,
        table: SessionTable,
        config: NotebookConfig,
        counters: Counters,
        on_submit: Callable[[str], SubmitVerdict] | None,
    ) -> None:
        self._table = table
        self._config = config
        self._counters = counters
        self._on_submit = on_submit
        self._images = DaemonWork()
        self._calls = OwnedTasks()
        self._interrupts = OwnedTasks()

    async def call(self, name: str, arguments: object) -> CallToolResult:
        """Answer one call; never raises for anything an agent can do."""
        with self._counters.answering(name if name in TOOLS else None):
            reply = await self._bounded(name, arguments)
        self._counters.tool_errors += reply.is_error
        text = fit_text(reply.payload, self._config.agent_text_limit)
        blocks: list[ContentBlock] = [TextContent(type="text", text=text.encode("utf-8", "replace").decode())]
        for image in reply.images:
            data = base64.b64encode(image).decode()
            blocks.append(ImageContent(type="image", data=data, mime_type="image/png"))
        return CallToolResult(content=blocks, is_error=reply.is_error)

    async def _bounded(self, name: str, arguments: object) -> ToolReply:
        """Answer a call unless too many are open; an interrupt, which may be what ends them, has room of its own.

        What a client has given up on goes on, with all its code, so it is counted until it has ended.
        """
        calls = self._interrupts if name == "interrupt" else self._calls
        if len(calls) >= MAX_OPEN_CALLS:
            return _error(f"{len(calls)} calls are open already, which is the limit; wait for their results.")
        return await calls.run(self._reply(name, arguments))

    async def _reply(self, name: str, arguments: object) -> ToolReply:
        row = TOOLS.get(name)
        if row is None:
            return _error(f"There is no tool {name[:100]!r}; the tools are {', '.join(TOOLS)}.")
        model, method = row
        try:
            parsed = model.model_validate({} if arguments is None else arguments)
            return await method(self, parsed)
        except ValidationError as error:
            return _error(_argument_message(name, error))
        except NotebookError as error:
            return _error(str(error))
        except InfrastructureError as error:
            self._counters.infrastructure_failed(error.cause, str(error))
            logger.error("%s: %s", error.cause, error)  # the message may name host paths, the agent gets none
            detail = f" {error}" if error.cause == "setup_cell" else ""
            return _error(f"The notebook failed ({error.cause}); this is not your doing.{detail}")
        except Exception as error:  # an agent must get an answer, and the harness must learn that it lost one
            logger.exception("tool %s failed", name)
            self._counters.infrastructure_failed("notebook_internal", f"{name} raised {type(error).__name__}: {error}")
            return _error(f"The notebook failed internally ({type(error).__name__}); this is not your doing.")

    async def start_new_session(self, arguments: StartNewSession) -> ToolReply:
        """Start a session with an empty notebook."""
        session = await self._table.start_new(arguments.experiment_name)
        return ToolReply(_session_payload(session))

    async def resume(self, arguments: ResumeNotebook) -> ToolReply:
        """Resume a notebook in place."""
        session, restoration = await self._table.resume(arguments.notebook_path)
        return ToolReply({**_session_payload(session), **_restoration_payload(restoration)})

    async def continue_from(self, arguments: ContinueNotebook) -> ToolReply:
        """Continue a notebook in a copy."""
        session, restoration = await self._table.continue_from(arguments.notebook_path, arguments.experiment_name)
        return ToolReply({**_session_payload(session), **_restoration_payload(restoration)})

    async def execute_code(self, arguments: ExecuteCode) -> ToolReply:
        """Run a new cell."""
        session = self._table.get(arguments.session_id)
        return await self._run(session, session.execute(arguments.code))

    async def edit_cell(self, arguments: EditCell) -> ToolReply:
        """Run an existing cell with new code."""
        session = self._table.get(arguments.session_id)
        return await self._run(session, session.edit(arguments.code, arguments.cell_index), edited=True)

    async def add_markdown(self, arguments: AddMarkdown) -> ToolReply:
        """Add a Markdown cell."""
        session = self._table.get(arguments.session_id)
        return ToolReply({"cell_number": session.add_markdown(arguments.content)})

    async def shutdown_session(self, arguments: ShutdownSession) -> ToolReply:
        """End a session."""
        session = self._table.get(arguments.session_id)
        await self._table.shutdown(session, "shut down by the agent")
        return ToolReply({"message": f"Session {session.session_id} was shut down; {session.notebook.name} stays."})

    async def interrupt(self, arguments: Interrupt) -> ToolReply:
        """Interrupt the running cell."""
        session = self._table.get(arguments.session_id)
        return ToolReply({"session_id": session.session_id, "message": await session.interrupt()})

    async def list_cells(self, arguments: ListCells) -> ToolReply:
        """List the cells of a notebook."""
        session = self._table.get(arguments.session_id)
        cells = session.notebook.document.cells
        first = max(0, len(cells) - LISTED_CELLS)
        code_index = {cell.cell_id: index for index, cell in enumerate(session.notebook.document.code_cells())}
        listed = [_cell_payload(cell, code_index.get(cell.cell_id)) for cell in cells[first:]]
        payload = {"session_id": session.session_id, "notebook_path": session.notebook.name, "cells": listed}
        if first:
            payload["note"] = f"The first {first} cells are left out."
        return ToolReply(payload)

    async def submit_answer(self, arguments: SubmitAnswer) -> ToolReply:
        """Read a variable and hand it to the harness."""
        session = self._table.get(arguments.session_id)
        try:
            text = await session.read_answer(arguments.variable)
        except DeadKernelError:
            return _error(session.dead_message())
        except AnswerUnreadableError as error:
            self._counters.submission_error = str(error)
            raise
        verdict = self._judge(session, text)
        self._counters.submissions += 1
        self._counters.submissions_accepted += verdict.accepted
        session.record_submission(arguments.variable, text, verdict.accepted, verdict.message)
        payload = {"accepted": verdict.accepted, "message": verdict.message}
        return ToolReply(payload, is_error=not verdict.accepted)

    def _judge(self, session: Session, text: str) -> SubmitVerdict:
        if self._on_submit is None:
            name = session.notebook.name.removesuffix(".ipynb") + ".answer.json"
            self._table.write_file(name, text)
            return SubmitVerdict(True, f"Written to {name}, next to the notebook.")
        try:
            return self._on_submit(text)
        except Exception as error:
            raise InfrastructureError("submit_callback", f"The answer could not be checked: {error!r}.") from error

    async def _run(self, session: Session, run: Awaitable[CellResult], edited: bool = False) -> ToolReply:
        try:
            result = await run
        except DeadKernelError:
            return await self._dead(session)
        view = await self._view(result.cell.outputs)
        payload: dict[str, Any] = {"session_id": session.session_id}
        if edited:
            payload["cell_index"] = result.index
            payload["actual_notebook_index"] = session.notebook.document.cells.index(result.cell)
        payload |= {
            "execution_count": result.cell.execution_count,
            "status": result.status,
            "outputs": view.entries,
            "notebook_path": session.notebook.name,
        }
        if result.note:
            payload["note"] = result.note
        return ToolReply(payload, view.images)

    async def _view(self, outputs: Sequence[Output]) -> AgentView:
        """What the agent sees of a cell; without its images when they take too long."""
        outputs = list(outputs)
        try:
            return await self._images.run(lambda: view_outputs(outputs), IMAGES_S)
        except TimeoutError:
            return view_outputs(outputs, max_images=0)

    async def _dead(self, session: Session) -> ToolReply:
        if session.closed:
            return _error(f"Session {session.session_id} was shut down while the cell ran or waited.")
        payload: dict[str, Any] = {"error": session.dead_message(), "session_id": session.session_id}
        view = await self._view(session.fatal_cell.outputs if session.fatal_cell is not None else [])
        if view.entries:
            payload["outputs"] = view.entries
        return ToolReply(payload, view.images, is_error=True)


Method = Callable[[NotebookTools, Any], Awaitable[ToolReply]]

TOOLS: dict[str, tuple[type[BaseModel], Method]] = {
    "start_new_session": (StartNewSession, NotebookTools.start_new_session),
    "start_session_resume_notebook": (ResumeNotebook, NotebookTools.resume),
    "start_session_continue_notebook": (ContinueNotebook, NotebookTools.continue_from),
    "execute_code": (ExecuteCode, NotebookTools.execute_code),
    "edit_cell": (EditCell, NotebookTools.edit_cell),
    "add_markdown": (AddMarkdown, NotebookTools.add_markdown),
    "list_cells": (ListCells, NotebookTools.list_cells),
    "interrupt": (Interrupt, NotebookTools.interrupt),
    "submit_answer": (SubmitAnswer, NotebookTools.submit_answer),
    "shutdown_session": (ShutdownSession, NotebookTools.shutdown_session),
}
_READ_ONLY = frozenset({"list_cells"})
_DESTRUCTIVE = frozenset({"shutdown_session"})


def describe_tools() -> list[Tool]:
    """The tools as MCP lists them."""
    described = []
    for name, (model, _method) in TOOLS.items():
        schema = model.model_json_schema()
        schema.pop("description", None)
        hints = ToolAnnotations(
            read_only_hint=name in _READ_ONLY, destructive_hint=name in _DESTRUCTIVE, open_world_hint=False
        )
        described.append(Tool(name=name, description=inspect.getdoc(model), input_schema=schema, annotations=hints))
    return described


def _error(message: str) -> ToolReply:
    return ToolReply({"error": message}, is_error=True)


def _argument_message(name: str, error: ValidationError) -> str:
    problems = [f"{'.'.join(map(str, item['loc'])) or 'arguments'}: {item['msg']}" for item in error.errors()]
    return f"{name} was called with arguments that don't fit ({'; '.join(problems)[:1000]}); see its description."


def _session_payload(session: Session) -> dict[str, Any]:
    return {"session_id": session.session_id, "status": "started", "notebook_path": session.notebook.name}


def _restoration_payload(restoration: Restoration) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "restoration_summary": f"{restoration.ran} cells run again, {len(restoration.errors)} with errors, "
        f"{len(restoration.skipped)} left out."
    }
    if restoration.errors:
        payload["restoration_errors"] = restoration.errors
    if restoration.skipped:
        payload["restoration_skipped"] = restoration.skipped
    return payload


def _cell_payload(cell: Cell, code_index: int | None) -> dict[str, Any]:
    if code_index is None:
        return {"type": "markdown", "content": cell.source[:500]}
    text = "\n".join(_headline(output) for output in cell.outputs)
    payload: dict[str, Any] = {
        "type": "code",
        "cell_index": code_index,
        "status": cell.status,
        "code": cell.source[:2000],
    }
    if cell.setup:
        payload["setup"] = True
    if text:
        payload["output"] = text[:500]
    return payload


def _headline(output: dict[str, Any]) -> str:
    if output["output_type"] == "stream":
        return strip_terminal("".join(output["text"][:4])[:1000]).strip()
    if output["output_type"] == "error":
        return strip_terminal(f"{output['ename']}: {output['evalue']}"[:500])
    return strip_terminal(output["data"].get("text/plain", json.dumps(list(output["data"])))[:500])
