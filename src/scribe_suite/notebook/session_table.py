"""The sessions of one server: starting, resuming, continuing, finding and ending them.

Agents name notebooks by file name, relative to the notebooks folder; nothing else is ever accepted or shown. Every
notebook has a working folder, which gets its files before the first kernel starts and is reused by a resumed kernel.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import re
import stat
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import nbformat

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.allowance import Allowance
from scribe_suite.notebook.calls import Call
from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.counters import Counters
from scribe_suite.notebook.document import Document, NotebookFile
from scribe_suite.notebook.errors import DeadKernelError, ToolInputError
from scribe_suite.notebook.journal import JOURNAL_SUFFIX, JOURNAL_VERSION, Journal, JournalInUseError, read_journal
from scribe_suite.notebook.kernel import Kernel
from scribe_suite.notebook.owned_tasks import OwnedTasks
from scribe_suite.notebook.services import ServiceConnections
from scribe_suite.notebook.session import NotebookState, Session
from scribe_suite.sandbox.sandbox import ProcessLimits, Sandbox
from scribe_suite.text import well_formed
from scribe_suite.untrusted_files import UntrustedFileError, UntrustedFolder

#: Longest notebook name, in characters; file systems allow 255 bytes, including prefixes and suffixes.
MAX_NAME = 200
#: Largest foreign notebook, in bytes; those of this server are far smaller.
MAX_NOTEBOOK_BYTES = 512 << 20
#: Seconds after a kernel's death until its notebook's journal is closed.
REST_S = 1.0
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Restoration:
    """The result of rerunning the cells of a notebook.

    Attributes:
        ran: How many cells ran.
        errors: A line for each that raised.
        skipped: A line for each that was left out.
    """

    ran: int
    errors: list[str]
    skipped: list[str]


@dataclass(eq=False)
class _Place:
    """A place for one session that is being started; reserved before any waiting.

    Attributes:
        notebook: Its notebook, once that is known.
        counted: Whether it counts among the sessions ever started.
    """

    notebook: NotebookState | None = None
    counted: bool = False


class SessionTable:
    """All sessions and notebooks of a server.

    Args:
        config: The server's configuration.
        sandbox: The sandbox of the kernels.
        counters: Counts what happens.
    """

    def __init__(
        self,
        config: NotebookConfig,
        sandbox: Sandbox,
        counters: Counters,
    ) -> None:
        self._config = config
        self._sandbox = sandbox
        self._counters = counters
        # everything in it is reached from here, whatever is put in its place later
        self._folder = UntrustedFolder(config.notebooks)
        self._sessions: dict[str, Session] = {}
        self._notebooks: dict[str, NotebookState] = {}
        self._places: set[_Place] = set()
        self._ending: set[Session] = set()
        self._allowance = Allowance(config.journals_limit_bytes)
        self._tasks = OwnedTasks()
        # An agent that has had a kernel can make the next one fail (files in the working folder, memory, processes);
        # only before that is a failed start certainly an infrastructure failure.
        self._handed_out = False

    def get(self, session_id: str) -> Session:
        """The session with this id.

        Raises:
            ToolInputError: When there is none, or it was shut down.
        """
        session = self._sessions.get(session_id)
        if session is None:
            known = ", ".join(self._sessions) or "none; call start_new_session"
            raise ToolInputError(f"There is no session {session_id[:100]!r}; open sessions: {known}.")
        return session

    def withdraw(self, call: Call) -> None:
        """Note that no client waits for a call any more; see `Session.withdraw`."""
        for session in self._sessions.values():
            session.withdraw(call)

    def find(self, session_id: str) -> Session | None:
        """The session with this id, or None when there is none."""
        return self._sessions.get(session_id)

    async def start_new(self, experiment_name: str | None) -> Session:
        """Start a session with an empty notebook.

        Raises:
            ToolInputError: When too many sessions are open, or have been started.
            InfrastructureError: When the kernel or the setup cell fails.
        """
        return await self._tasks.run(self._start_new(self._take_place(), experiment_name))

    async def _start_new(self, place: _Place, experiment_name: str | None) -> Session:
        with self._in_place(place):
            notebook = self._create_notebook(_file_stem(experiment_name or "notebook"))
            self._claim(place, notebook)
            return await self._start(place, notebook, "new")

    async def resume(self, notebook_path: str, call: Call | None = None) -> tuple[Session, Restoration]:
        """Start a new kernel for an existing notebook and rerun its cells, in place.

        Args:
            notebook_path: Its name.
            call: The call it belongs to.

        Raises:
            ToolInputError: When there is no such notebook, or a session has it open.
            DeadKernelError: When one of the cells kills the kernel.
            InfrastructureError: When the kernel or the setup cell fails.
        """
        return await self._tasks.run(self._resume(self._take_place(), notebook_path, call))

    async def _resume(self, place: _Place, notebook_path: str, call: Call | None) -> tuple[Session, Restoration]:
        with self._in_place(place):
            notebook = self._open_notebook(notebook_path)
            self._claim(place, notebook)
            for session in list(self._sessions.values()):
                if session.notebook is notebook:
                    await self._shutdown(session, "resumed with a new kernel")
            return await self._restore(place, notebook, "resumed", call)

    async def continue_from(
        self, notebook_path: str, experiment_name: str | None, call: Call | None = None
    ) -> tuple[Session, Restoration]:
        """Copy a notebook to a new one and run the copy's cells; the original is unchanged.

        Args:
            notebook_path: Its name.
            experiment_name: The copy's name.
            call: The call it belongs to.

        Raises:
            ToolInputError: When there is no such notebook.
            DeadKernelError: When one of the cells kills the kernel.
            InfrastructureError: When the kernel or the setup cell fails.
        """
        return await self._tasks.run(self._continue(self._take_place(), notebook_path, experiment_name, call))

    async def _continue(
        self, place: _Place, notebook_path: str, experiment_name: str | None, call: Call | None
    ) -> tuple[Session, Restoration]:
        with self._in_place(place):
            source = self._open_notebook(notebook_path)
            self._allowance.require(*(json.dumps([cell.source, cell.outputs]) for cell in source.document.cells))
            stem = _file_stem(experiment_name or f"{source.name.removesuffix('.ipynb')}_continued")
            notebook = self._create_notebook(stem)
            self._claim(place, notebook)
            with self._blaming(notebook.name):
                _copy_cells(source.document, notebook)
            self._rest_unless_open(source)
            return await self._restore(place, notebook, "continued", call)

    async def shutdown(self, session: Session, reason: str) -> None:
        """End and remove a session; its notebook remains."""
        await self._tasks.run(self._shutdown(session, reason))

    async def close(self) -> None:
        """End all sessions, including starting ones, and write all notebooks."""
        for session in self._sessions.values():
            session.kernel.pause()  # at once: what they send must not hold up their end
        await self._tasks.cancel()
        open_ones = list(self._sessions.values())
        # concurrently: each may take as long as a kernel takes to end
        await asyncio.gather(*(self._shutdown(session, "the notebook server was closed") for session in open_ones))
        for notebook in self._notebooks.values():
            notebook.journal.close()
        self._folder.close()

    def write_file(self, name: str, text: str) -> None:
        """Write a file next to the notebooks, replacing one of the same name.

        Raises:
            OSError: When it can't be written.
        """
        self._folder.write(name, [text.encode()])

    async def _shutdown(self, session: Session, reason: str) -> None:
        self._sessions.pop(session.session_id, None)
        self._ending.add(session)
        try:
            await session.close(reason)
        finally:
            self._ending.discard(session)

    async def _restore(
        self, place: _Place, notebook: NotebookState, origin: str, call: Call | None
    ) -> tuple[Session, Restoration]:
        session = await self._start(place, notebook, origin)
        self._counters.restarts += 1
        try:
            return session, Restoration(*await session.restore(call))
        except DeadKernelError as error:
            raise ToolInputError(session.dead_message()) from error

    def _take_place(self) -> _Place:
        """Reserve a place for one more session, until `_in_place` or `_start` releases it."""
        sessions = (*self._sessions.values(), *self._ending)
        alive = sum(session.kernel.alive for session in sessions) + len(self._places)
        if alive >= self._config.max_sessions:
            raise ToolInputError(f"{alive} sessions are open, which is the limit; shut one down first.")
        ever = self._counters.sessions_started + sum(not place.counted for place in self._places)
        if ever >= self._config.max_sessions_ever:
            raise ToolInputError(f"{ever} sessions have been started, and no more can be; go on in one that is open.")
        place = _Place()
        self._places.add(place)
        return place

    @contextlib.contextmanager
    def _in_place(self, place: _Place) -> Iterator[None]:
        """Release a place at the end at the latest; a notebook without a session then holds no descriptor."""
        try:
            yield
        finally:
            self._places.discard(place)
            if place.notebook is not None:
                self._rest_unless_open(place.notebook)

    def _claim(self, place: _Place, notebook: NotebookState) -> None:
        """Prevent other calls from starting a session for a notebook.

        Raises:
            ToolInputError: When there is one already, or one is being started.
        """
        if any(other.notebook is notebook for other in self._places):
            raise ToolInputError(f"A session is just being started for {notebook.name}; wait for it.")
        if any(session.notebook is notebook for session in self._ending):
            raise ToolInputError(f"The session of {notebook.name} is just being shut down; wait a moment.")
        for session in self._sessions.values():
            if session.notebook is notebook and session.kernel.alive:
                raise ToolInputError(
                    f"{notebook.name} is open in session {session.session_id}: go on there, or shut it down first."
                )
        place.notebook = notebook

    def _rest_unless_open(self, notebook: NotebookState) -> None:
        """Close the journal until the next event, unless its own kernel will soon write one."""
        starting = any(place.notebook is notebook for place in self._places)
        if not starting and not any(
            session.notebook is notebook and session.kernel.alive for session in self._sessions.values()
        ):
            notebook.journal.rest()

    async def _start(self, place: _Place, notebook: NotebookState, origin: str) -> Session:
        begin = time.monotonic()
        try:
            with self._blaming(notebook.name):
                return await self._start_session(place, notebook, origin)
        finally:
            self._places.discard(place)
            self._counters.session_start_s += time.monotonic() - begin

    @contextlib.contextmanager
    def _blaming(self, name: str) -> Iterator[None]:
        """Turn failures during the start of a session into tool errors, once an agent has had a kernel."""
        try:
            yield
        except JournalInUseError as error:
            raise ToolInputError(
                f"{name} is open in another notebook server: end it there, or start a new session here."
            ) from error
        except (InfrastructureError, OSError) as error:
            if self._handed_out:
                raise ToolInputError(_not_started(name, error)) from error
            if isinstance(error, InfrastructureError):
                self._counters.infrastructure_failed(error.cause, str(error))
            raise

    async def _start_session(self, place: _Place, notebook: NotebookState, origin: str) -> Session:
        place.counted = True
        self._counters.sessions_started += 1
        number = self._counters.sessions_started
        config = self._config
        memory = config.memory_limit_bytes
        # CUDA reserves addresses for all memory of all GPUs and the machine
        addresses = None if config.gpu else memory
        limits = ProcessLimits(address_space_bytes=addresses, memory_bytes=memory, tmp_bytes=config.tmp_limit_bytes)
        services = ServiceConnections(config.services, f"s{number}")
        try:
            kernel = await Kernel.start(
                self._sandbox, f"k{number}", notebook.work, config.start_timeout_s, limits, services
            )
        except BaseException:
            services.close()
            raise
        self._counters.sessions_open += 1
        session = Session(f"s{number}", notebook, kernel, config, self._counters, self._allowance)
        try:
            notebook.journal.append("session_started", session=session.session_id, origin=origin)
            await self._run_setup(session)
            kernel.put_work_on_path()
            notebook.file.write()
        except BaseException:
            await session.close("it could not be set up")
            raise
        self._sessions[session.session_id] = session
        kernel.died.add_done_callback(lambda _died: self._rest_soon(notebook))
        session.handed_out = self._handed_out = True
        return session

    def _rest_soon(self, notebook: NotebookState) -> None:
        """Close the journal of a dead kernel's session after it has recorded how its cell ended."""
        asyncio.get_running_loop().call_later(REST_S, self._rest_unless_open, notebook)

    async def _run_setup(self, session: Session) -> None:
        if self._config.setup_code is None:
            return
        setup = next((cell for cell in session.notebook.document.code_cells() if cell.setup), None)
        try:
            result = await session.execute(self._config.setup_code, "setup", setup)
        except DeadKernelError as error:
            raise InfrastructureError("setup_cell", f"The kernel died in the setup cell ({error.detail}).") from error
        if result.status == "timeout":
            limit = self._config.setup_timeout_s
            raise InfrastructureError(
                "setup_cell", f"The setup cell ran out of time: it had not ended after {limit:g} seconds."
            )
        if result.status != "ok":
            errors = [output for output in result.cell.outputs if output["output_type"] == "error"]
            reason = f"{errors[-1]['ename']}: {errors[-1]['evalue']}" if errors else result.status
            raise InfrastructureError("setup_cell", f"The setup cell failed: {reason[:2000]}")

    def _create_notebook(self, stem: str) -> NotebookState:
        name, number = f"{stem}.ipynb", 1
        while self._folder.exists(name) or self._folder.exists(_journal_name(name)):
            number += 1
            name = f"{stem}_{number}.ipynb"
        return self._register(name, Document())

    def _open_notebook(self, notebook_path: str) -> NotebookState:
        name = self._resolve(notebook_path)
        if name in self._notebooks:
            return self._notebooks[name]
        if self._has_journal(name):
            with self._blaming(name):
                document = Document.from_events(read_journal(self._folder.path / _journal_name(name), self._folder))
            return self._register(name, document)
        notebook = self._register(name, Document())
        try:
            _import_cells(self._folder, notebook, self._allowance)
        except BaseException:
            notebook.journal.rest()
            raise
        return notebook

    def _resolve(self, notebook_path: str) -> str:
        """Name of an existing notebook inside the notebooks folder; links are not followed."""
        name = notebook_path.removeprefix("notebooks/")
        name = name if name.endswith(".ipynb") else f"{name}.ipynb"
        known = self._folder.files("*.ipynb")
        if _NOT_IN_NAMES.search(name) or name.startswith(".") or len(name) > MAX_NAME:
            raise ToolInputError(
                f"{notebook_path[:200]!r} is not the name of a notebook; there are: {_listing(known)}."
            )
        if name not in known:
            raise ToolInputError(f"There is no notebook {name[:200]!r}; there are: {_listing(known)}.")
        return name

    def _has_journal(self, name: str) -> bool:
        """Whether a notebook has a journal.

        Raises:
            ToolInputError: When something else has the journal's name.
        """
        journal = _journal_name(name)
        if not self._folder.exists(journal):
            return False
        if not stat.S_ISREG(self._folder.stat(journal).st_mode):
            raise ToolInputError(
                f"The journal of {name} is a link or no file at all, and is not opened; use another notebook."
            )
        return True

    def _register(self, name: str, document: Document) -> NotebookState:
        folder, journal_name = self._folder, _journal_name(name)
        is_new = not self._has_journal(name)
        with self._blaming(name), contextlib.ExitStack() as undo:
            journal = Journal(folder.path / journal_name, document.apply, folder, self._allowance.spend)
            undo.callback(journal.close)
            if is_new:
                undo.callback(folder.remove, journal_name)
                journal.append(
                    "journal",
                    version=JOURNAL_VERSION,
                    notebook=name,
                    isolation=self._sandbox.tier.name,
                    python=sys.version.split()[0],
                )
            work = self._sandbox.work_folder(f"w{len(self._notebooks)}", self._config.files)
            undo.pop_all()  # nothing of this is left behind unless all of it could be done
        file = NotebookFile(folder.path / name, document, folder=folder)
        notebook = NotebookState(name, document, journal, file, work)
        self._notebooks[name] = notebook
        return notebook


def _journal_name(name: str) -> str:
    return name.removesuffix(".ipynb") + JOURNAL_SUFFIX


def _file_stem(name: str) -> str:
    stem = _NOT_IN_NAMES.sub("_", name.removesuffix(".ipynb")).strip("._")[:60]
    return stem or "notebook"


def _not_started(name: str, error: InfrastructureError | OSError) -> str:
    """The message to an agent whose further session did not start; it quotes no cause that may name host paths."""
    cause = error.cause if isinstance(error, InfrastructureError) else error.strerror or type(error).__name__
    reason = str(error) if cause == "setup_cell" else f"The kernel did not come up ({cause})."
    return (
        f"{reason} Shut down sessions you don't need and try again; if the working folder of {name} is the "
        "reason, start_new_session and start_session_continue_notebook begin with a fresh one."
    )


def _listing(names: list[str]) -> str:
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "") if names else "none"


def _copy_cells(source: Document, target: NotebookState) -> None:
    for cell in source.cells:
        if not cell.is_code:
            target.journal.append("markdown_added", cell=target.document.next_id(), content=cell.source)
            continue
        target.journal.append(
            "cell_added",
            cell=target.document.next_id(),
            code=cell.source,
            setup=cell.setup,
            status=cell.status,
            outputs=copy.deepcopy(cell.outputs),
        )


def _import_cells(folder: UntrustedFolder, target: NotebookState, allowance: Allowance) -> None:
    """Import the cells of a notebook without a journal; restoring it produces the outputs again."""
    try:
        text = folder.read(target.name, MAX_NOTEBOOK_BYTES).decode()
        notebook = nbformat.reads(text, as_version=4)
    except (ValueError, OSError, RecursionError, KeyError, AttributeError) as error:
        reason = error.strerror if isinstance(error, UntrustedFileError) else type(error).__name__
        raise ToolInputError(f"{target.name} can't be read as a notebook: {reason}.") from error
    allowance.require(*(str(cell.source) for cell in notebook.cells))
    for cell in notebook.cells:
        cell_id = target.document.next_id()
        if cell.cell_type == "code":
            target.journal.append(
                "cell_added", cell=cell_id, code=well_formed(cell.source), setup=False, status="not_run", outputs=[]
            )
        else:
            target.journal.append("markdown_added", cell=cell_id, content=well_formed(cell.source))
