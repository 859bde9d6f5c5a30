"""The notebook's MCP tools: names and arguments are Goodfire Scribe's, with three of our own.

Each tool is one row of `TOOLS`: an argument model, whose docstring the agent reads, and a method. The reply to any call
is a result: errors are results too, with ``isError`` and a sentence that says what to do.

A reply is text, as a person would see it in Jupyter. The same as a dict, in Goodfire Scribe's shapes, is
``structuredContent``, for clients that ask for it in the ``_meta`` of a call (`STRUCTURED`). They have to ask: Claude
Code and Codex, like other clients, put it before the model *instead of* text and images wherever it is there.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mcp_types import CallToolResult, ContentBlock, ImageContent, TextContent, Tool, ToolAnnotations
from pydantic import BaseModel, ValidationError

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.agent_view import AgentView, entry_text, frozen_copy, is_quick, view_outputs
from scribe_suite.notebook.calls import Call
from scribe_suite.notebook.cell_listing import CellPage, cell_page, listed_cell, run_line
from scribe_suite.notebook.config import NotebookConfig, SubmitVerdict
from scribe_suite.notebook.counters import Counters
from scribe_suite.notebook.daemon_work import DaemonWork
from scribe_suite.notebook.endpoint import STRUCTURED
from scribe_suite.notebook.errors import AnswerUnreadableError, DeadKernelError, NotebookError, ToolInputError
from scribe_suite.notebook.late_outputs import LateOutput
from scribe_suite.notebook.outputs import Output
from scribe_suite.notebook.owned_tasks import OwnedTasks
from scribe_suite.notebook.reply_text import fit_parts, fit_payload
from scribe_suite.notebook.session import CellResult, Session
from scribe_suite.notebook.session_table import Restoration, SessionTable
from scribe_suite.notebook.tool_arguments import (
    AddMarkdown,
    ContinueNotebook,
    EditCell,
    ExecuteCode,
    Interrupt,
    ListCells,
    ResumeNotebook,
    ShutdownSession,
    StartNewSession,
    SubmitAnswer,
)
from scribe_suite.text import plain_text, well_formed_json

logger = logging.getLogger(__name__)

#: How many cells list_cells shows in one call.
LISTED_CELLS = 200
#: Most unanswered calls, including abandoned ones; the same number again for interrupt.
MAX_OPEN_CALLS = 32
#: Most seconds for all images of one result; ordinary ones take a few tenths.
IMAGES_S = 20.0
#: Characters reserved for the line that says how to read omitted parts.
_HINT = 300


@dataclass
class ToolReply:
    """The reply of a tool.

    Attributes:
        payload: For programs: a JSON-safe dict.
        text: For readers: consecutive parts.
        images: PNG files, as the text numbers them.
        is_error: Whether it is an error.
        hint: How to read omitted parts, added where there are any.
        left_out: Whether something is left out already.
    """

    payload: dict[str, Any]
    text: list[str]
    images: list[bytes] = field(default_factory=list)
    is_error: bool = False
    hint: str = ""
    left_out: bool = False


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

    async def call(
        self, name: str, arguments: object, call: Call | None = None, meta: Mapping[str, Any] | None = None
    ) -> CallToolResult:
        """Answer one call; no action of an agent can make it raise.

        Args:
            name: The tool's name.
            arguments: The unvalidated arguments.
            call: The call's state at its client.
            meta: The metadata sent with it.
        """
        with self._counters.answering(name if name in TOOLS else None):
            reply = await self._bounded(name, arguments, call or Call())
        self._counters.tool_errors += reply.is_error
        limit = self._config.agent_text_limit
        text, shortened = fit_parts(reply.text, limit - _HINT)
        if reply.hint and (shortened or reply.left_out):
            text += f"\n{reply.hint}"
        blocks: list[ContentBlock] = [TextContent(type="text", text=plain_text(text))]
        for image in reply.images:
            data = base64.b64encode(image).decode()
            blocks.append(ImageContent(type="image", data=data, mime_type="image/png"))
        structured = None
        if meta is not None and meta.get(STRUCTURED) is True:
            # twice as much: escapes are two characters, and a page of a cell must be complete
            structured = fit_payload(well_formed_json(reply.payload), 2 * limit)
        return CallToolResult(content=blocks, structured_content=structured, is_error=reply.is_error)

    async def _bounded(self, name: str, arguments: object, call: Call) -> ToolReply:
        """Answer a call unless too many are open; interrupts, which may end them, are counted separately.

        An abandoned call continues with its code, so it is counted until it has ended.
        """
        calls = self._interrupts if name == "interrupt" else self._calls
        if len(calls) >= MAX_OPEN_CALLS:
            return _error(f"{len(calls)} calls are open already, which is the limit; wait for their results.")
        try:
            return await calls.run(self._reply(name, arguments, call))
        except asyncio.CancelledError:
            call.gone = True
            self._table.withdraw(call)
            raise

    async def _reply(self, name: str, arguments: object, call: Call) -> ToolReply:
        row = TOOLS.get(name)
        if row is None:
            return _error(f"There is no tool {name[:100]!r}; the tools are {', '.join(TOOLS)}.")
        model, method = row
        try:
            parsed = model.model_validate({} if arguments is None else arguments)
        except ValidationError as error:
            return _error(_argument_message(name, error))
        try:
            reply = await method(self, parsed, call)
        except NotebookError as error:
            reply = _error(str(error))
        except InfrastructureError as error:
            self._counters.infrastructure_failed(error.cause, str(error))
            logger.error("%s: %s", error.cause, error)  # the message may name host paths, the agent gets none
            detail = f" {error}" if error.cause == "setup_cell" else ""
            reply = _error(f"The notebook failed ({error.cause}); this is not your doing.{detail}")
        except Exception as error:  # an agent must get an answer, and the harness must learn that it lost one
            logger.exception("tool %s failed", name)
            self._counters.infrastructure_failed("notebook_internal", f"{name} raised {type(error).__name__}: {error}")
            reply = _error(f"The notebook failed internally ({type(error).__name__}); this is not your doing.")
        if not call.gone and (session := self._table.find(getattr(parsed, "session_id", ""))) is not None:
            await self._add_news(reply, session)
        return reply

    async def _add_news(self, reply: ToolReply, session: Session) -> None:
        """Add what has happened in a session since its last reply."""
        notices, late = session.news()
        for notice in notices:
            reply.text.append(f"[{notice}]")
        if notices:
            reply.payload["notices"] = notices
        told = []
        for run in late:
            view = await self._view(run.outputs, len(reply.images))
            if not view.entries:
                continue
            reply.images += view.images
            count = "" if run.execution_count is None else f", execution_count {run.execution_count}"
            reply.text.append(f"--- put out late by cell_index {run.index}{count}, after its own result:")
            reply.text += map(entry_text, view.entries)
            reply.left_out |= view.left_out
            reply.hint = reply.hint or _hint(session, run.index)
            told.append(_late_payload(run, view))
        if told:
            reply.payload["late_outputs"] = told

    async def start_new_session(self, arguments: StartNewSession, _call: Call) -> ToolReply:
        """Start a session with an empty notebook."""
        return _plain(_session_payload(await self._table.start_new(arguments.experiment_name)))

    async def resume(self, arguments: ResumeNotebook, call: Call) -> ToolReply:
        """Resume a notebook in place."""
        session, restoration = await self._table.resume(arguments.notebook_path, call)
        return _plain({**_session_payload(session), **_restoration_payload(restoration)})

    async def continue_from(self, arguments: ContinueNotebook, call: Call) -> ToolReply:
        """Continue a notebook in a copy."""
        session, restoration = await self._table.continue_from(arguments.notebook_path, arguments.experiment_name, call)
        return _plain({**_session_payload(session), **_restoration_payload(restoration)})

    async def execute_code(self, arguments: ExecuteCode, call: Call) -> ToolReply:
        """Run a new cell."""
        session = self._table.get(arguments.session_id)
        return await self._run(session, session.execute(arguments.code, call=call))

    async def edit_cell(self, arguments: EditCell, call: Call) -> ToolReply:
        """Run an existing cell with new code."""
        session = self._table.get(arguments.session_id)
        return await self._run(session, session.edit(arguments.code, arguments.cell_index, call))

    async def add_markdown(self, arguments: AddMarkdown, _call: Call) -> ToolReply:
        """Add a Markdown cell."""
        session = self._table.get(arguments.session_id)
        return _plain({"cell_number": session.add_markdown(arguments.content)})

    async def shutdown_session(self, arguments: ShutdownSession, _call: Call) -> ToolReply:
        """End a session."""
        session = self._table.get(arguments.session_id)
        await self._table.shutdown(session, "shut down by the agent")
        return _message(f"Session {session.session_id} was shut down; {session.notebook.name} stays.")

    async def interrupt(self, arguments: Interrupt, _call: Call) -> ToolReply:
        """Interrupt the running cell."""
        session = self._table.get(arguments.session_id)
        return _message(await session.interrupt(), session_id=session.session_id)

    async def list_cells(self, arguments: ListCells, _call: Call) -> ToolReply:
        """List the cells of a notebook, or show one of them whole."""
        session = self._table.get(arguments.session_id)
        if arguments.cell_index is not None:
            return await self._page(session, arguments.cell_index, arguments.page)
        document = session.notebook.document
        first = max(0, len(document.cells) - LISTED_CELLS)
        cells = document.cells[first:]
        listed = [listed_cell(cell, document.code_place(cell) if cell.is_code else None) for cell in cells]
        payload: dict[str, Any] = {"session_id": session.session_id, "notebook_path": session.notebook.name}
        payload |= {"cells": [cell.payload for cell in listed]}
        text = [f"session {session.session_id}, {session.notebook.name}: {len(document.cells)} cells"]
        if first:
            payload["note"] = f"The first {first} cells are left out."
            text.append(f"[{payload['note']}]")
        reply = ToolReply(payload, [*text, *(cell.text for cell in listed)], hint=_hint(session))
        reply.left_out = first > 0 or any(cell.cut for cell in listed)
        return reply

    async def _page(self, session: Session, cell_index: int, number: int) -> ToolReply:
        cell = session.code_cell(cell_index)
        index = session.notebook.document.code_place(cell)
        head = run_line(index, cell.execution_count, cell.status)
        outputs = frozen_copy(cell.outputs)
        characters = self._config.agent_text_limit - 2 * _HINT

        def paged() -> CellPage | None:
            return cell_page(cell.source, outputs, number, characters)

        try:
            page = await self._images.run(paged, IMAGES_S)
        except TimeoutError:
            raise ToolInputError(f"The outputs of cell_index {index} take too long to be shown.") from None
        if page is None:
            raise ToolInputError(f"cell_index {index} has no page {number}; list_cells without page shows the first.")
        payload = {"session_id": session.session_id, "cell_index": index, "execution_count": cell.execution_count}
        payload |= {"status": cell.status, "page": number, "pages": page.count, "content": page.text}
        more = f"[page={number + 1} of this cell goes on here.]" if number < page.count else ""
        return ToolReply(payload, [f"{head}; page {number} of {page.count}", page.text, more], page.images)

    async def submit_answer(self, arguments: SubmitAnswer, call: Call) -> ToolReply:
        """Read a variable and hand it to the harness."""
        session = self._table.get(arguments.session_id)
        try:
            text = await session.read_answer(arguments.variable, call)
        except DeadKernelError:
            return _error(session.dead_message())
        except AnswerUnreadableError as error:
            self._counters.submission_error = str(error)
            raise
        verdict = self._judge(session, text)
        self._counters.submissions += 1
        self._counters.submissions_accepted += verdict.accepted
        session.record_submission(arguments.variable, text, verdict.accepted, verdict.message)
        reply = _plain({"accepted": verdict.accepted, "message": verdict.message})
        reply.is_error = not verdict.accepted
        return reply

    def _judge(self, session: Session, text: str) -> SubmitVerdict:
        if self._on_submit is None:
            name = session.notebook.name.removesuffix(".ipynb") + ".answer.json"
            self._table.write_file(name, text)
            return SubmitVerdict(True, f"Written to {name}, next to the notebook.")
        try:
            return self._on_submit(text)
        except Exception as error:
            raise InfrastructureError("submit_callback", f"The answer could not be checked: {error!r}.") from error

    async def _run(self, session: Session, run: Awaitable[CellResult]) -> ToolReply:
        try:
            result = await run
        except DeadKernelError:
            return await self._dead(session)
        cell = result.cell
        outputs = frozen_copy(cell.outputs)
        session.seen(cell)
        view = await self._view(outputs)
        payload: dict[str, Any] = {
            "session_id": session.session_id,
            "cell_index": result.index,
            "actual_notebook_index": session.notebook.document.place(cell),
            "execution_count": cell.execution_count,
            "status": result.status,
            "seconds": round(result.seconds, 2),
            "outputs": view.entries,
            "notebook_path": session.notebook.name,
        }
        text = [f"{run_line(result.index, cell.execution_count, result.status)}, {result.seconds:.2f} s"]
        text += map(entry_text, view.entries)
        if result.note:
            payload["note"] = result.note
            text.append(f"[{result.note}]")
        return ToolReply(payload, text, view.images, hint=_hint(session, result.index), left_out=view.left_out)

    async def _view(self, outputs: Sequence[Output], before: int = 0) -> AgentView:
        """The agent's view of final outputs; without images when they take too long."""
        if is_quick(outputs):
            return view_outputs(outputs, before)
        try:
            return await self._images.run(lambda: view_outputs(outputs, before), IMAGES_S)
        except TimeoutError:
            return view_outputs(outputs, before, quick=True)

    async def _dead(self, session: Session) -> ToolReply:
        if session.closed:
            return _error(f"Session {session.session_id} was shut down while the cell ran or waited.")
        reply = _error(session.dead_message())
        reply.payload["session_id"] = session.session_id
        cell = session.fatal_cell
        if cell is None:
            return reply
        outputs = frozen_copy(cell.outputs)
        session.seen(cell)
        view = await self._view(outputs)
        if view.entries:
            reply.payload["outputs"] = view.entries
            reply.text += ["--- what it had put out:", *map(entry_text, view.entries)]
            reply.images, reply.left_out = view.images, view.left_out
        return reply


Method = Callable[[NotebookTools, Any, Call], Awaitable[ToolReply]]

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
    return ToolReply({"error": message}, [f"Error: {message}"], is_error=True)


def _message(message: str, **fields: str) -> ToolReply:
    return ToolReply({**fields, "message": message}, [message])


def _plain(payload: dict[str, Any]) -> ToolReply:
    """A reply with a line of text for each field, and for each entry of a list."""
    text = []
    for name, value in payload.items():
        if isinstance(value, list):
            text += [f"{name}:", *(f"- {item}" for item in value)]
        else:
            text.append(f"{name}: {str(value).lower() if isinstance(value, bool) else value}")
    return ToolReply(payload, text)


def _hint(session: Session, index: int | None = None) -> str:
    number = "N" if index is None else index
    return (
        f'[Something is left out. list_cells(session_id="{session.session_id}", cell_index={number}, page=1) shows a '
        "cell whole, page by page.]"
    )


def _late_payload(run: LateOutput, view: AgentView) -> dict[str, Any]:
    return {"cell_index": run.index, "execution_count": run.execution_count, "outputs": view.entries}


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
