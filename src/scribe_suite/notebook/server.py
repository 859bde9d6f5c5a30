"""The notebook server of one attempt: MCP on a unix socket, in a background thread with its own event loop.

The harness creates one, passes its endpoint to a provider, and closes it. Kernels, sockets and working folders are
removed with it; journals and notebooks remain.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mcp.server.lowlevel import Server
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook import pump
from scribe_suite.notebook.config import NotebookConfig, NotebookStatus, SubmitVerdict
from scribe_suite.notebook.counters import Counters
from scribe_suite.notebook.endpoint import NotebookEndpoint
from scribe_suite.notebook.output_stream import streaming
from scribe_suite.notebook.progress import reporting
from scribe_suite.notebook.session_table import SessionTable
from scribe_suite.notebook.tools import NotebookTools, describe_tools
from scribe_suite.notebook.transport import serve_connection
from scribe_suite.sandbox.probing import probe_isolation
from scribe_suite.sandbox.runtime_folders import RuntimeFolder
from scribe_suite.sandbox.sandbox import Sandbox

logger = logging.getLogger(__name__)

INSTRUCTIONS = (
    "A Jupyter notebook. Call start_new_session first; it returns the session_id that the other tools need. Run code "
    "with execute_code; variables stay between cells. Put your answer into a variable and call submit_answer."
)
#: Most seconds for starting to serve, and for closing: kernels end within ten.
START_S, CLOSE_S = 60.0, 60.0
#: Most clients at a time; each may have an unfinished message in memory.
MAX_CONNECTIONS = 32
#: Seconds at closing for sending replies to interrupted calls.
SETTLE_S = 0.02


class NotebookServer:
    """Kernels behind MCP tools on a unix socket; a context manager.

    Args:
        config: Its configuration.
        on_submit: Called in the server's thread with the unvalidated JSON text of each submitted answer (NaN is
            possible); its message goes back to the agent. None to write answers next to the notebook.
    """

    def __init__(self, config: NotebookConfig, on_submit: Callable[[str], SubmitVerdict] | None = None) -> None:
        self._config = config
        self._on_submit = on_submit
        self._thread: threading.Thread | None = None
        self._started = False
        self._sandbox: Sandbox | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._counters: Counters | None = None
        self._endpoint: NotebookEndpoint | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def endpoint(self) -> NotebookEndpoint:
        """Where clients connect.

        Raises:
            InfrastructureError: With cause ``notebook_server`` before `start`.
        """
        if self._endpoint is None:
            raise InfrastructureError("notebook_server", "The notebook server has not been started.")
        return self._endpoint

    def start(self) -> None:
        """Start serving; returns when the socket accepts connections. Kernels start when a session does.

        Raises:
            InfrastructureError: With cause ``isolation_unavailable`` when strict isolation is not available or a kernel
                needs something that must be hidden from it, else ``notebook_server``.
        """
        if self._started:
            raise InfrastructureError("notebook_server", "A notebook server can be started only once; make a new one.")
        self._started = True
        self._counters = Counters(probe_isolation(self._config.isolation))
        config = self._config
        try:
            config.notebooks.mkdir(parents=True, exist_ok=True)
            runtime = RuntimeFolder()
        except OSError as error:
            raise InfrastructureError("notebook_server", f"The notebook's folders can't be made: {error}.") from error
        self._finalizer = weakref.finalize(self, runtime.remove)  # also when the process ends without close()
        hidden = (config.folder, runtime.path, *config.hidden)
        try:
            sandbox = Sandbox(
                self._counters.tier, config.preload, config.work_limit_bytes, hidden, config.shared, config.gpu
            )
        except BaseException:
            self._finalizer()
            raise
        script = str(Path(pump.__file__).resolve())
        socket_path = runtime.path / "mcp.sock"
        self._endpoint = NotebookEndpoint(socket_path, (sys.executable, "-S", "-E", script, str(socket_path)))
        self._sandbox = sandbox
        self._thread = threading.Thread(target=self._run, args=(sandbox,), name="notebook-server", daemon=True)
        self._thread.start()
        if not self._ready.wait(START_S):
            self._failure = TimeoutError(f"it was not ready within {START_S:g} s")
        if self._failure is not None:
            self.close()
            message = f"The notebook server could not start: {self._failure}."
            raise InfrastructureError("notebook_server", message) from self._failure

    def close(self) -> None:
        """Kill the kernels, write the notebooks, remove socket and working folders. May be called twice.

        Raises:
            InfrastructureError: With cause ``notebook_close`` when that takes too long: the kernels are dead then, and
                hanging work is abandoned.
        """
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._stop is not None:
            with suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._stop.set)
        thread.join(CLOSE_S)
        hangs = thread.is_alive()
        if hangs and self._sandbox is not None:
            self._sandbox.kill()
        self._finalizer()
        if hangs:
            assert self._counters is not None
            message = f"The notebook server did not close within {CLOSE_S:g} s; its kernels were killed."
            self._counters.infrastructure_failed("notebook_close", message)
            raise InfrastructureError("notebook_close", message)

    def status(self) -> NotebookStatus:
        """What has happened so far; works before, during and after serving."""
        if self._counters is None:
            return NotebookStatus(isolation="none", isolation_reasons=("the server has not been started",))
        return self._counters.snapshot()

    def _run(self, sandbox: Sandbox) -> None:
        try:
            with sandbox:
                asyncio.run(self._serve(sandbox))
        except BaseException as error:
            self._failure = error
            assert self._counters is not None
            self._counters.infrastructure_failed("notebook_server", f"The notebook server ended: {error!r}.")
        finally:
            self._ready.set()

    async def _serve(self, sandbox: Sandbox) -> None:
        assert self._counters is not None
        assert self._endpoint is not None
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        table = SessionTable(self._config, sandbox, self._counters)
        tools = NotebookTools(table, self._config, self._counters, self._on_submit)
        mcp_server = _mcp_server(tools, self._counters)
        connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if len(connections) >= MAX_CONNECTIONS:
                writer.transport.abort()
                return
            with suppress(InfrastructureError):  # the first session will meet it again, and say so
                sandbox.warm_up()
            task = asyncio.create_task(serve_connection(mcp_server, reader, writer))
            connections[task] = writer
            task.add_done_callback(connections.pop)

        listener = _listen(self._endpoint.socket_path)
        accepting = asyncio.create_task(_accept(listener, connected))
        self._ready.set()
        try:
            await self._stop.wait()
        finally:
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)
            listener.close()
            await table.close()
            await asyncio.sleep(SETTLE_S)
            await _disconnect(connections)


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(64)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


async def _accept(
    listener: socket.socket, connected: Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]
) -> None:
    """Accept connections; asyncio's own servers lose one that arrives while they are being closed."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            connection, _ = await loop.sock_accept(listener)
        except OSError as error:
            logger.warning("a connection could not be accepted: %s", error)
            await asyncio.sleep(0.1)
            continue
        try:
            connected(*await asyncio.open_unix_connection(sock=connection))
        except BaseException:
            connection.close()
            raise


async def _disconnect(connections: dict[asyncio.Task[None], asyncio.StreamWriter]) -> None:
    open_ones = dict(connections)
    for task in open_ones:
        task.cancel()
    await asyncio.gather(*open_ones, return_exceptions=True)
    for writer in open_ones.values():
        writer.transport.abort()
    await asyncio.sleep(0)  # transports close their sockets in a callback


def _mcp_server(tools: NotebookTools, counters: Counters) -> Server[Any]:
    """The low-level server: it lets us word the errors, and does not change the process's logging."""
    described = describe_tools()

    async def list_tools(_context: Any, _params: Any) -> ListToolsResult:
        counters.tools_listed += 1
        return ListToolsResult(tools=described)

    async def call_tool(context: Any, params: CallToolRequestParams) -> CallToolResult:
        # the SDK reports only to a client that has asked for it, with a progress token
        # of every request, `transport` has made the ``request`` that the SDK hands on
        call, session = context.request, context.session
        async with (
            reporting(session.report_progress, params.name),
            streaming(session.send_notification, call, context.meta),
        ):
            return await tools.call(params.name, params.arguments, call, context.meta)

    return Server(
        "scribe-notebook", instructions=INSTRUCTIONS, version="1", on_list_tools=list_tools, on_call_tool=call_tool
    )
