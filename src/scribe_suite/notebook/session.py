"""One notebook session: a kernel, a journal, a document and the `.ipynb` file, and the operations on them.

Calls of one session that run code queue up in order of arrival; `interrupt` and `list_cells` don't wait. A cell runs in
its own task: if its client disconnects, the cell continues and its outputs are recorded; if the client cancels the
call, the cell is interrupted. No call waits long behind a cell without a client.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.allowance import Allowance
from scribe_suite.notebook.answer import EXPRESSION_NAME, decode_answer, reading_expression, without_arrays
from scribe_suite.notebook.calls import Call
from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.counters import Counters
from scribe_suite.notebook.document import NOT_RESTORED, Cell, CellKind, CellStatus, Document, NotebookFile
from scribe_suite.notebook.errors import AnswerUnreadableError, DeadKernelError, ToolInputError
from scribe_suite.notebook.journal import Journal
from scribe_suite.notebook.kernel import Discard, Kernel
from scribe_suite.notebook.late_outputs import LateOutput, LateOutputs
from scribe_suite.notebook.outputs import Output, OutputRecorder, PromptRecorder, output_size
from scribe_suite.notebook.owned_tasks import OwnedTasks
from scribe_suite.text import well_formed

_Result = TypeVar("_Result")

#: Seconds after which a running cell's output must be in the journal.
FLUSH_S = 0.1
#: Most seconds for reading an answer, even if a cell may take longer.
ANSWER_TIMEOUT_S = 60.0
#: How many characters of a run are kept when the whole notebook is over its limit.
MIN_CELL_TEXT = 2000
#: Largest answer that the journal quotes, without its arrays, in bytes; of a larger one it has the checksum.
QUOTED_ANSWER_BYTES = 1 << 20
#: Seconds that a call waits behind one that its client has abandoned.
PATIENCE_S = 5.0
#: How many notices are kept for the next reply.
MAX_NOTICES = 20


@dataclass(eq=False)
class NotebookState:
    """A notebook of this server, whether or not a kernel runs for it.

    Attributes:
        name: File name of the notebook, relative to the notebooks folder; what an agent sees.
        document: Its cells.
        journal: Its journal.
        file: Its ``.ipynb`` file.
        work: Working folder that its kernels share.
        output_characters: Characters of output in the journal so far.
    """

    name: str
    document: Document
    journal: Journal
    file: NotebookFile
    work: Path
    output_characters: int = 0


@dataclass(frozen=True)
class CellResult:
    """How a run of a cell ended.

    Attributes:
        cell: The cell, with its outputs.
        index: Its number among the code cells.
        status: How it ended.
        seconds: How long it took.
        note: A sentence about an end from outside, or None.
    """

    cell: Cell
    index: int
    status: CellStatus
    seconds: float
    note: str | None = None


@dataclass(eq=False)
class _Turn:
    """The code that is running in the kernel.

    Attributes:
        call: The call it belongs to.
        what: Its name, for messages.
        begin: When it began, by the monotonic clock.
    """

    call: Call
    what: str
    begin: float = field(default_factory=time.monotonic)


class Session:
    """A running kernel with its notebook; made by `session_table.SessionTable`.

    Attributes:
        handed_out: Whether the agent has it; until then a dead kernel is not the agent's fault.
        closed: Whether `close` was called; a dead kernel is expected then.
        fatal_cell: The cell that ran when the kernel died, or None.
    """

    def __init__(
        self,
        session_id: str,
        notebook: NotebookState,
        kernel: Kernel,
        config: NotebookConfig,
        counters: Counters,
        allowance: Allowance,
    ) -> None:
        self._allowance = allowance
        self.session_id = session_id
        self.notebook = notebook
        self.kernel = kernel
        self._config = config
        self._counters = counters
        self._lock = asyncio.Lock()
        self._tasks = OwnedTasks()
        self._running: Cell | None = None
        self._turn: _Turn | None = None
        self._notices: list[str] = []
        self._late = LateOutputs()
        self._death_noted = False
        self._ended = False
        self._burial: asyncio.Future[None] | None = None
        self._next_write: asyncio.TimerHandle | None = None
        self.fatal_cell: Cell | None = None
        self.closed = False
        self.handed_out = False
        kernel.died.add_done_callback(lambda _died: self._note_death())

    async def execute(
        self, code: str, kind: CellKind = "agent", cell: Cell | None = None, call: Call | None = None
    ) -> CellResult:
        """Run code in a new cell, or again in an existing one.

        Args:
            code: Python source.
            kind: What the cell is for.
            cell: Cell to run in; a new one at the end when None.
            call: The call it belongs to.

        Raises:
            ToolInputError: When the call was cancelled before its turn, or an abandoned cell before it does not end.
            DeadKernelError: When the kernel is gone, or goes while the cell runs.
        """
        call = call or Call()
        return await self._tasks.run(self._queued(self._execute(code, kind, cell, call), call))

    async def edit(self, code: str, index: int, call: Call | None = None) -> CellResult:
        """Replace the code of a code cell and run it; the journal keeps the earlier code and outputs.

        Args:
            code: Python source.
            index: Number among the code cells; negative ones count from the end.
            call: The call it belongs to.

        Raises:
            ToolInputError: When there is no such cell, or it is the setup cell; and as in `execute`.
            DeadKernelError: As in `execute`.
        """
        cell = self.code_cell(index)
        if cell.setup:
            raise ToolInputError(
                "This is the setup cell, which can't be edited; use execute_code for a cell of your own."
            )
        return await self.execute(code, "agent", cell, call)

    def code_cell(self, index: int) -> Cell:
        """A code cell by its number; negative ones count from the end.

        Raises:
            ToolInputError: When there is no such cell.
        """
        cells = self.notebook.document.code_cells()
        if not -len(cells) <= index < len(cells):
            raise ToolInputError(
                f"cell_index {index} does not exist: there are {len(cells)} code cells, numbered from 0."
            )
        return cells[index]

    def withdraw(self, call: Call) -> None:
        """Note that no client waits for a call any more; its code is interrupted if the call was cancelled."""
        turn, cell = self._turn, self._running
        if turn is None or turn.call is not call or not call.cancelled or not self.kernel.interrupt():
            return
        if cell is not None:
            self._log("interrupt", cell=cell.cell_id, run=cell.runs)

    def seen(self, cell: Cell) -> None:
        """Note that a reply includes all output of a cell so far, so none of it is late."""
        self._late.drop(cell.cell_id, cell.runs)

    def news(self) -> tuple[list[str], list[LateOutput]]:
        """News for the next reply: sentences, and output of earlier cells since their replies."""
        notices, self._notices = self._notices, []
        return notices, self._late.take()

    def add_markdown(self, content: str) -> int:
        """Add a Markdown cell.

        Returns:
            Its number in the notebook, Markdown and code cells counted.
        """
        content = well_formed(content)
        self._allowance.require(content)
        document = self.notebook.document
        self.notebook.journal.append("markdown_added", cell=document.next_id(), content=content)
        self._write_soon()
        return len(document.cells) - 1

    async def interrupt(self) -> str:
        """Interrupt the running cell and wait a moment for it to end.

        Returns:
            A sentence on what happened.
        """
        cell = self._running
        if cell is None or not self.kernel.interrupt():
            return "Nothing was running."
        self._counters.interrupts += 1
        self._log("interrupt", cell=cell.cell_id, run=cell.runs)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._config.interrupt_grace_s):
                while cell.status == "running" and not self.closed:
                    await asyncio.sleep(0.02)
        if cell.status == "running":
            return "The cell was interrupted but has not stopped yet; it stops when the operation it is in returns."
        return "The running cell was interrupted; the session lives on."

    async def read_answer(self, variable: str, call: Call | None = None) -> str:
        """A variable of the kernel as JSON text.

        Args:
            variable: Its name.
            call: The call it belongs to.

        Raises:
            AnswerUnreadableError: When it can't be read; the message says why.
            ToolInputError: As in `execute`.
            DeadKernelError: When the kernel is gone.
        """
        call = call or Call()
        return await self._tasks.run(self._queued(self._read_answer(variable, call), call))

    def record_submission(self, variable: str, text: str, accepted: bool, message: str) -> None:
        """Record a submission in the journal."""
        data = text.encode()
        quoted = without_arrays(text, self._config.answer_arrays)
        self._log(
            "submission",
            variable=variable,
            accepted=accepted,
            message=message,
            bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            answer=quoted if len(quoted.encode()) <= min(QUOTED_ANSWER_BYTES, self._allowance.left // 2) else None,
        )

    async def restore(self, call: Call | None = None) -> tuple[int, list[str], list[str]]:
        """Rerun the cells of the notebook, except those that did not end on their own.

        Args:
            call: The call it belongs to; once that is cancelled, no more cells are run.

        Returns:
            How many ran; a line for each that raised; a line for each that was left out.

        Raises:
            DeadKernelError: When one of them kills the kernel.
        """
        ran, errors, skipped = 0, [], []
        for index, cell in enumerate(tuple(self.notebook.document.code_cells())):
            if cell.setup:
                continue
            if call is not None and call.cancelled:
                skipped.append(f"cell {index}: not run again, because the call was cancelled")
                continue
            if cell.status in NOT_RESTORED:
                skipped.append(f"cell {index}: not run again, because it ended as {cell.status!r}")
                continue
            result = await self.execute(cell.source, "restored", cell, call)
            ran += 1
            if result.status != "ok":
                names = [output["ename"] for output in cell.outputs if output["output_type"] == "error"]
                errors.append(f"cell {index}: {result.status} {' '.join(names)}".rstrip())
        return ran, errors, skipped

    def dead_message(self) -> str:
        """The message to an agent about a session whose kernel is gone."""
        fatal = self.fatal_cell
        where = f" while cell {self.notebook.document.code_place(fatal)} ran" if fatal is not None else ""
        return (
            f"The kernel of session {self.session_id} died{where} ({self.kernel.died.result()}). Its variables are "
            f'lost. Call start_session_resume_notebook(notebook_path="{self.notebook.name}") for a new kernel: it runs '
            "the earlier cells again, without the one that ended the kernel."
        )

    async def close(self, reason: str) -> None:
        """Kill the kernel, let a running cell end, and write journal and notebook. May be called twice."""
        if self.closed:
            return
        self.closed = True
        self._counters.sessions_open -= self.kernel.alive
        await self.kernel.close(reason)
        if self._burial is not None:
            await self._burial
        if self.kernel.infrastructure is not None and not self._death_noted:
            self._counters.infrastructure_failed("kernel_end", self.kernel.infrastructure)
        await self._tasks.finish()
        self._log("session_closed", session=self.session_id, reason=reason)
        self._write()
        self._ended = True
        self.notebook.journal.rest()

    def _note_death(self) -> None:
        """Count and record a death once, with its cell; called from that cell or for an idle kernel."""
        if self.closed or self._death_noted:
            return
        self._death_noted = True
        self._counters.sessions_open -= 1
        if self.kernel.infrastructure is not None:
            self._counters.infrastructure_failed("fork_server", self.kernel.infrastructure)
        else:
            self._counters.kernel_deaths += self.handed_out  # before that it is the infrastructure's
        self.fatal_cell = cell = self._running
        where = {} if cell is None else {"cell": cell.cell_id, "run": cell.runs}
        self._log("kernel_died", session=self.session_id, detail=self.kernel.died.result(), **where)
        if cell is None:  # else when that cell has got its end and its last outputs
            self._write()
        # a dead session need not be shut down: its descriptors are released now
        self._burial = asyncio.ensure_future(self.kernel.close())

    def _log(self, event: str, **fields: Any) -> None:
        """Write to the journal; a failure must not cost the agent its cell, but the harness must know about it."""
        try:
            self.notebook.journal.append(event, **fields)
        except InfrastructureError as error:
            self._counters.infrastructure_failed(error.cause, str(error))

    def _write_soon(self) -> None:
        """Write the notebook, now or soon: the cost grows with its size, so writes are throttled."""
        if self._next_write is None and not self._ended:
            self._next_write = asyncio.get_running_loop().call_later(self.notebook.file.wait_s, self._write)

    def _write(self) -> None:
        if self._next_write is not None:
            self._next_write.cancel()
            self._next_write = None
        try:
            self.notebook.file.write()
        except OSError as error:
            self._counters.infrastructure_failed("notebook_write", f"The notebook can't be written: {error}.")

    async def _queued(self, work: Coroutine[Any, Any, _Result], call: Call) -> _Result:
        try:
            await self._await_turn()
        except BaseException:
            work.close()
            raise
        try:
            if call.cancelled:
                work.close()
                raise ToolInputError("The call was cancelled before its turn came; nothing was run.")
            return await work
        finally:
            self._turn = None
            self._lock.release()

    async def _await_turn(self) -> None:
        """Wait until nothing else runs, but not long for an abandoned call.

        Raises:
            ToolInputError: When that call does not end; the message names it.
        """
        if not self._lock.locked():
            await self._lock.acquire()
            return
        waiting = asyncio.ensure_future(self._lock.acquire())
        patience = PATIENCE_S
        try:
            while not waiting.done():
                begin, turn = time.monotonic(), self._turn
                await asyncio.wait((waiting,), timeout=0.1)
                if turn is not None and turn is self._turn and turn.call.gone:
                    patience -= time.monotonic() - begin
                if patience <= 0 and not waiting.done() and turn is not None:
                    raise ToolInputError(
                        f"This call did nothing: {turn.what} still runs and has been running for "
                        f"{time.monotonic() - turn.begin:.0f} s, although its own call was cancelled or lost. Call "
                        "interrupt to stop it, or list_cells to see what it has put out, and try again."
                    )
        except BaseException:
            if not waiting.cancel() and not waiting.cancelled():  # it has come at the last moment
                self._lock.release()
            raise

    async def _execute(self, code: str, kind: CellKind, cell: Cell | None, call: Call) -> CellResult:
        code = well_formed(code)
        if not self.kernel.alive:
            raise DeadKernelError(self.kernel.died.result())
        self._allowance.require(code)
        document, journal = self.notebook.document, self.notebook.journal
        cell_id = cell.cell_id if cell is not None else document.next_id()
        number = cell.runs + 1 if cell is not None else 1
        journal.append("cell_started", cell=cell_id, run=number, kind=kind, code=code)
        self._running = cell = document.cell(cell_id)
        index = document.code_place(cell)
        self._turn = _Turn(call, f"cell_index {index}")

        def emit(output: Output) -> None:
            if self._ended:  # a thread of the kernel's was still printing
                return
            self.notebook.output_characters += output_size(output)
            self._log("output", cell=cell_id, run=number, output=output)
            if call.on_output is not None and not ended:
                call.on_output(output)
            if ended:
                self._late.add(LateOutput(index, count, cell_id, number), output)

        left = min(self._config.notebook_output_limit - self.notebook.output_characters, self._allowance.left)
        text_limit = max(MIN_CELL_TEXT, min(self._config.cell_text_limit, left))
        image_limit = max(0, min(self._config.cell_image_limit_bytes, left))
        recorder = PromptRecorder(OutputRecorder(emit, text_limit, image_limit), FLUSH_S, self._write_soon)
        limit = self._config.setup_timeout_s if kind == "setup" else self._config.cell_timeout_s
        begin, status, count, note, ended = time.monotonic(), "died", None, None, False
        try:
            reply = await self.kernel.run(code, recorder, limit, self._config.interrupt_grace_s)
            status, count = reply.status, reply.execution_count
        except DeadKernelError:
            status = "interrupted" if self.closed else "died"
            self._note_death()
            raise
        finally:
            recorder.finish()
            ended = True
            seconds = time.monotonic() - begin
            if status == "timeout":
                self._log("cell_timeout", cell=cell_id, run=number, seconds=round(seconds, 3))
            self._log(
                "cell_finished",
                cell=cell_id,
                run=number,
                status=status,
                execution_count=count,
                seconds=round(seconds, 4),
            )
            self._running = None
            if call.gone:
                self._notice(index, status, seconds, call)
            if self._death_noted:
                self._write()
            else:
                self._write_soon()
            self._counters.cell_ended(kind, status, seconds)
        if status == "timeout":
            note = f"The cell was stopped after {limit:g} seconds, the limit for one cell. The session lives on."
        elif status == "interrupted":
            note = "The cell was interrupted."
        return CellResult(cell, index, reply.status, seconds, note)

    def _notice(self, index: int, status: str, seconds: float, call: Call) -> None:
        """Add to the next reply how an abandoned cell ended."""
        reason = "its call was cancelled" if call.cancelled else "the connection of its call ended"
        notice = (
            f"cell_index {index} ended with status {status} after {seconds:.1f} s; {reason}, so no reply has told what "
            f'it put out. list_cells(session_id="{self.session_id}", cell_index={index}) shows it.'
        )
        self._notices = [*self._notices[1 - MAX_NOTICES :], notice]

    async def _read_answer(self, variable: str, call: Call) -> str:
        self._turn = _Turn(call, "the reading of an answer")
        expressions = {
            EXPRESSION_NAME: reading_expression(variable, self._config.answer_limit_bytes, self._config.answer_arrays)
        }
        timeout = min(self._config.cell_timeout_s, ANSWER_TIMEOUT_S)
        reply = await self.kernel.run("", Discard(), timeout, self._config.interrupt_grace_s, expressions)
        if reply.status == "timeout":
            raise AnswerUnreadableError(f"Reading {variable!r} took more than {timeout:g} seconds; submit plain data.")
        return decode_answer(reply.expressions, self._config.answer_limit_bytes)
