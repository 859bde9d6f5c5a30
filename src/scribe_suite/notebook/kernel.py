"""One Jupyter kernel: its process, its sockets, and the running of code in it.

Everything that comes from the kernel is untrusted: a message may be forged, malformed, missing or late. The harness
believes its own clock and its own process table; from messages it takes outputs and the end of a cell, nothing more.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.errors import DeadKernelError
from scribe_suite.sandbox.processes import SandboxedProcess
from scribe_suite.sandbox.sandbox import Limits, Sandbox, Slot

logger = logging.getLogger(__name__)

#: Bytes of one message; libzmq drops a connection that exceeds it, so that a kernel can't fill the harness's memory.
MAX_MESSAGE_BYTES = 64 << 20
#: Seconds the outputs of a cell may lag behind its reply; then the output channel counts as broken.
IDLE_GRACE_S = 10.0
#: Seconds that outputs may go on arriving after the reply.
DRAIN_S = 60.0
#: Seconds between two looks at whether the process is alive.
POLL_S = 0.05
#: Seconds to wait for a killed process; one that waits for a disk may take a while.
REAP_S = 10.0
#: Bytes read of what a dead kernel has printed; it keeps that much.
MAX_RECOVERED_BYTES = 1 << 20
#: Messages in a row that can't be decoded before the kernel counts as broken.
MAX_MALFORMED = 1000
_STARTUP = (Path(__file__).parent / "kernel_startup.py").read_text()
_MEMORY = "it used more memory than it may and was killed"
_PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")

ReplyStatus = Literal["ok", "error", "interrupted", "timeout"]


class MessageSink(Protocol):
    """Takes the IOPub messages of one run."""

    def message(self, kind: str, content: object) -> None:
        """Take one message."""


class Discard:
    """A sink for code whose outputs are of no interest."""

    def message(self, kind: str, content: object) -> None:
        """Ignore it."""


@dataclass(frozen=True)
class Reply:
    """How a run ended.

    Attributes:
        status: ``interrupted`` and ``timeout`` where it was stopped from outside.
        execution_count: The kernel's count, or None when it gave none.
        expressions: Values of user expressions, as the kernel sent them.
    """

    status: ReplyStatus
    execution_count: int | None
    expressions: dict[str, Any]


@dataclass
class _Run:
    sink: MessageSink
    reply: asyncio.Future[dict[str, Any]]
    printed: dict[str, int] = field(default_factory=dict)
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    interrupted: bool = False


class Kernel:
    """A running kernel; made by `start`.

    Attributes:
        died: Future that is done when the process is gone or useless; its result says how it ended.
        infrastructure: What failed when it was not the code in the kernel that ended it, or None.
    """

    def __init__(self, process: SandboxedProcess, sandbox: Sandbox, slot: Slot, client: AsyncKernelClient) -> None:
        self._process = process
        self._sandbox = sandbox
        self._printed = {name: slot.ipc / name for name in ("stdout", "stderr")}
        self._client = client
        self._runs: dict[str, _Run] = {}
        self._current: _Run | None = None
        self._last_message = 0.0
        self.infrastructure: str | None = None
        self.died: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._tasks = [
            asyncio.create_task(self._watch_process()),
            asyncio.create_task(self._read("iopub", client.get_iopub_msg, self._take_iopub)),
            asyncio.create_task(self._read("shell", client.get_shell_msg, self._take_shell)),
        ]

    @classmethod
    async def start(
        cls,
        sandbox: Sandbox,
        name: str,
        work: Path,
        context: zmq.asyncio.Context,
        timeout_s: float,
        limits: Limits,
    ) -> Kernel:
        """Start a kernel and wait until it answers.

        Args:
            sandbox: Its home.
            name: Its name there.
            work: Its working folder there.
            context: ZMQ context of the event loop; gives sockets their limits.
            timeout_s: Seconds it may take.
            limits: What it may use.

        Raises:
            InfrastructureError: With cause ``kernel_start`` when it does not come up, ``fork_server`` when what should
                start it is gone.
        """
        slot = sandbox.slot(name, work)
        connection = _connection(slot.ipc / "k")
        inside = {**connection, "ip": sandbox.seen(slot, "k")}
        log = slot.log
        arguments = ["-f", sandbox.seen(slot, "connection.json"), "--HistoryManager.enabled=False"]
        arguments.append(f"--IPKernelApp.exec_lines={_startup_line(sandbox.seen(slot, ''))}")
        try:
            process = sandbox.start_kernel(slot, arguments, {"connection.json": json.dumps(inside)}, limits)
        except OSError as error:
            raise InfrastructureError("kernel_start", f"The kernel could not be launched: {error}.") from error
        client = AsyncKernelClient(context=context)
        client.load_connection_info(connection)
        sockets = [slot.ipc / f"k-{connection[name]}" for name in ("shell_port", "iopub_port")]
        kernel: Kernel | None = None
        try:
            async with asyncio.timeout(timeout_s):
                while not all(path.exists() for path in sockets):
                    if process.poll() is not None:
                        if not sandbox.healthy:
                            raise InfrastructureError("fork_server", sandbox.why_unhealthy())
                        raise InfrastructureError("kernel_start", f"The kernel ended at start: {_tail(log)}")
                    await asyncio.sleep(0.01)
                # The heartbeat would call a slow start a death; stdin and control are not used.
                client.start_channels(stdin=False, hb=False, control=False)
                kernel = cls(process, sandbox, slot, client)
                await kernel._wait_until_ready()
        except TimeoutError as error:
            await _abandon(kernel, client, process)
            message = f"The kernel did not answer within {timeout_s:g} s: {_tail(log)}"
            raise InfrastructureError("kernel_start", message) from error
        except DeadKernelError as error:
            await _abandon(kernel, client, process)
            message = f"The kernel ended at start ({error.detail}): {_tail(log)}"
            raise InfrastructureError("kernel_start", message) from error
        except BaseException:
            await _abandon(kernel, client, process)
            raise
        return kernel

    @property
    def alive(self) -> bool:
        """Whether code can be run."""
        return not self.died.done()

    async def run(
        self,
        code: str,
        sink: MessageSink,
        timeout_s: float,
        grace_s: float,
        expressions: dict[str, str] | None = None,
    ) -> Reply:
        """Run code and wait for its end; one run at a time.

        Args:
            code: What to run; with expressions, silently and outside the history.
            sink: Gets the messages, those of threads that outlive the run included.
            timeout_s: Seconds until it is interrupted.
            grace_s: Seconds from the interrupt until the kernel is killed.
            expressions: Expressions to evaluate afterwards, by name.

        Raises:
            DeadKernelError: When the kernel ends before the code does.
        """
        silent = expressions is not None
        if not self.alive:
            raise DeadKernelError(self.died.result())
        self._forget_printed()
        message_id = self._client.execute(
            code,
            silent=silent,
            store_history=not silent,
            user_expressions=expressions or {},
            allow_stdin=False,
            stop_on_error=False,
        )
        run = self._current = _Run(sink, asyncio.get_running_loop().create_future())
        self._runs[message_id] = run
        try:
            timed_out = not await self._wait_for(run.reply, timeout_s)
            if timed_out and not await self._stop(run, grace_s):
                self._declare_dead(
                    f"it ran for {timeout_s:g} s and did not stop when it was interrupted, so it was killed"
                )
            if not self.alive:
                raise DeadKernelError(self.died.result())
            await self._drain(run)
            content = run.reply.result()
        except DeadKernelError:
            self._recover_printed(run)
            raise
        finally:
            self._current = None
            if silent:
                self._runs.pop(message_id, None)
        return _reply(content, timed_out, run.interrupted)

    def interrupt(self) -> bool:
        """Raise KeyboardInterrupt in the running code.

        Returns:
            Whether there was code to interrupt.
        """
        if self._current is None or not self.alive:
            return False
        self._current.interrupted = True
        self._process.interrupt()
        return True

    async def close(self, reason: str = "it was shut down") -> None:
        """Kill the process and everything it started, and close the sockets. May be called twice."""
        self._declare_dead(reason)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._client.stop_channels()
        await _reap(self._process)

    async def _wait_until_ready(self) -> None:
        """Ask for kernel_info until the answer comes on both channels: then IOPub is subscribed."""
        loop = asyncio.get_running_loop()
        while True:
            run = _Run(Discard(), loop.create_future())
            message_id = self._client.kernel_info()
            self._runs[message_id] = run
            try:
                if await self._wait_for(run.reply, 5.0):
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(run.idle.wait(), 0.25)
                        return
                if not self.alive:
                    raise DeadKernelError(self.died.result())
            finally:
                self._runs.pop(message_id, None)

    async def _wait_for(self, future: asyncio.Future[Any], timeout_s: float) -> bool:
        """Wait for a future or the kernel's death; False when neither came in time."""
        done, _ = await asyncio.wait((future, self.died), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)

    async def _stop(self, run: _Run, grace_s: float) -> bool:
        for _ in range(2):  # a cell may catch the first KeyboardInterrupt
            self.interrupt()
            if await self._wait_for(run.reply, grace_s / 2):
                return True
        return False

    async def _drain(self, run: _Run) -> None:
        """Wait for the outputs that were sent before the reply: they end with the idle status."""
        loop = asyncio.get_running_loop()
        begin = self._last_message = loop.time()
        idle = asyncio.ensure_future(run.idle.wait())
        try:
            while not await self._wait_for(idle, 0.5):
                now = loop.time()
                if now - self._last_message > IDLE_GRACE_S or now - begin > DRAIN_S:
                    # e.g. an output above MAX_MESSAGE_BYTES: libzmq never delivers anything on that socket again
                    self._declare_dead("its output channel broke; an output may have been too large")
        finally:
            idle.cancel()
        if not self.alive:
            raise DeadKernelError(self.died.result())

    async def _watch_process(self) -> None:
        while (code := self._process.poll()) is None:
            await asyncio.sleep(POLL_S)
        await asyncio.sleep(POLL_S)  # what it said last may still be on its way
        if not self.died.done() and not self._sandbox.healthy:
            self.infrastructure = self._sandbox.why_unhealthy()
        self._declare_dead(_MEMORY if self._process.out_of_memory else _describe_exit(code))

    async def _read(self, channel: str, receive: Any, take: Any) -> None:
        malformed = 0
        while self.alive:
            try:
                run, kind, content = self._match(await receive(timeout=None))
                if run is not None:
                    take(run, kind, content)
                malformed = 0
            except asyncio.CancelledError:
                raise
            except Exception as error:  # an unsigned, repeated or undecodable message; the type depends on its content
                malformed += 1
                logger.debug("kernel sent a malformed message on %s: %r", channel, error)
                if malformed >= MAX_MALFORMED:
                    self._declare_dead(f"it sent {malformed} malformed messages in a row")

    def _match(self, message: Any) -> tuple[_Run | None, str, dict[str, Any]]:
        parent, header = message.get("parent_header"), message.get("header")
        content = message.get("content")
        message_id = parent.get("msg_id") if isinstance(parent, dict) else None
        kind = header.get("msg_type") if isinstance(header, dict) else None
        run = self._runs.get(message_id) if isinstance(message_id, str) else None
        return run, str(kind), content if isinstance(content, dict) else {}

    def _forget_printed(self) -> None:
        for path in self._printed.values():
            with contextlib.suppress(OSError):
                os.truncate(path, 0)

    def _recover_printed(self, run: _Run) -> None:
        """Pass on what a dead kernel has printed but not sent: its process ended in between."""
        for name, path in self._printed.items():
            with contextlib.suppress(OSError):
                with path.open("rb") as file:
                    text = file.read(MAX_RECOVERED_BYTES).decode("utf-8", "replace")
                missing = text[run.printed.get(name, 0) :]
                if missing:
                    run.sink.message("stream", {"name": name, "text": missing})

    def _take_iopub(self, run: _Run, kind: str, content: dict[str, Any]) -> None:
        self._last_message = asyncio.get_running_loop().time()
        if kind == "status":
            if content.get("execution_state") == "idle":
                run.idle.set()
            return
        if kind == "stream":
            name, text = str(content.get("name")), content.get("text")
            run.printed[name] = run.printed.get(name, 0) + (len(text) if isinstance(text, str) else 0)
        run.sink.message(kind, content)

    def _take_shell(self, run: _Run, kind: str, content: dict[str, Any]) -> None:
        if kind in ("execute_reply", "kernel_info_reply") and not run.reply.done():
            run.reply.set_result(content)

    def _declare_dead(self, detail: str) -> None:
        if not self.died.done():
            self.died.set_result(detail)
        self._process.kill()


def _reply(content: dict[str, Any], timed_out: bool, interrupted: bool) -> Reply:
    status: ReplyStatus = "ok" if content.get("status") == "ok" else "error"
    if interrupted:  # a cell may catch what interrupts it and call its end a success
        status = "timeout" if timed_out else "interrupted"
    count = content.get("execution_count")
    expressions = content.get("user_expressions")
    return Reply(
        status,
        count if isinstance(count, int) and 0 <= count < 1 << 31 else None,
        expressions if isinstance(expressions, dict) else {},
    )


def _connection(ip: Path) -> dict[str, Any]:
    return {
        "transport": "ipc",
        "ip": str(ip),
        **{name: number for number, name in enumerate(_PORTS, start=1)},
        "key": secrets.token_hex(32),
        "signature_scheme": "hmac-sha256",
        "kernel_name": "python3",
    }


def _startup_line(folder: str) -> str:
    """One line of code that runs `kernel_startup` and leaves no name behind."""
    start = f"inside['start'](get_ipython().kernel, {folder!r})"
    return f"(lambda inside: (__import__('builtins').exec({_STARTUP!r}, inside), {start}))({{'__name__': 'startup'}})"


def _describe_exit(code: int) -> str:
    """An exit code in words; the shell's 128 + N stands for a signal N."""
    if 128 < code < 128 + 65:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(code - 128).name}"
    return f"exit code {code}"


async def _reap(process: SandboxedProcess) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(REAP_S):
            while process.poll() is None:
                await asyncio.sleep(0.01)
    if process.poll() is None:
        logger.error("process %s was killed but does not end", process.pid)
    else:
        process.close()


async def _abandon(kernel: Kernel | None, client: AsyncKernelClient, process: SandboxedProcess) -> None:
    if kernel is not None:
        await kernel.close()
        return
    client.stop_channels()
    process.kill()
    await _reap(process)


def _tail(log: Path, size: int = 2000) -> str:
    """The end of what the process printed, for a message."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - size))
            text = file.read(size).decode("utf-8", "replace").strip()
    except OSError:
        text = ""
    return text or "it printed nothing"
