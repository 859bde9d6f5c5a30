"""One Jupyter kernel: its process, its sockets, and the execution of code in it.

Everything that comes from the kernel is untrusted: a message may be forged, malformed, missing or late. The harness
trusts only its own clock and its own process table; from messages it uses outputs and the end of a cell, nothing more.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import secrets
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.channels import ChannelName, KernelChannels, MalformedError, Message
from scribe_suite.notebook.errors import DeadKernelError
from scribe_suite.notebook.pages import pages
from scribe_suite.notebook.services import ServiceConnections
from scribe_suite.notebook.zmtp import ChannelError, TooLarge
from scribe_suite.sandbox.inside import memory_file, usage
from scribe_suite.sandbox.processes import SandboxedProcess
from scribe_suite.sandbox.sandbox import ProcessLimits, Sandbox

logger = logging.getLogger(__name__)

#: Seconds that the outputs of a cell may lag behind its reply before the output channel counts as broken.
IDLE_GRACE_S = 10.0
#: Seconds for which outputs may still arrive after the reply.
DRAIN_S = 60.0
#: Seconds between two checks whether the process is alive.
POLL_S, START_POLL_S = 0.05, 0.002
#: Seconds within which a process must end after its channel, and for which messages of an ended process are read.
PARTING_S = 2.0
#: Effectively no limit, in seconds: the caller that starts a kernel has one.
LONGEST_START_S = 86_400.0
#: Seconds to wait for a killed process; one that waits for a disk may take a while.
REAP_S = 10.0
#: How many bytes of a dead kernel's output are read; it keeps that many.
MAX_RECOVERED_BYTES = 1 << 20
#: How many consecutive undecodable messages make a kernel count as broken.
MAX_MALFORMED = 1000
#: The start-up code of a kernel, in order.
_INSIDE = ("limits", "children", "streams", "keyboard", "folder", "idle_warnings", "progress_bars")
_SOURCES = {f"scribe {name}": (Path(__file__).parent / "inside" / f"{name}.py").read_text() for name in _INSIDE}
_EXCEEDED = {
    usage.OUT_OF_MEMORY: "it used more memory than it may and was killed",
    usage.TOO_MANY: "it had more processes than it may and was killed",
    usage.DISK_FULL: "it wrote more to its folders than it may and was killed",
}
#: The mark of `inside.folder`.
_ON_PATH = "scribe_work_on_path"
_PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
#: The numbers of a kernel's listening sockets (port 1 at the next number), and of the files for its output.
_SOCKETS_AT = 2
_PRINTED_AT = {"stdout": 8, "stderr": 9}

#: Messages that may have no known parent: asyncio reports failed tasks without one.
_OUTPUTS = frozenset(("stream", "display_data", "execute_result", "error"))

ReplyStatus = Literal["ok", "error", "interrupted", "timeout"]


class MessageSink(Protocol):
    """Receives the IOPub messages of one run."""

    def message(self, kind: str, content: object) -> None:
        """Process one message."""


class Discard:
    """A sink for code whose outputs are ignored."""

    def message(self, kind: str, content: object) -> None:
        """Ignore it."""


@dataclass(frozen=True)
class Reply:
    """How a run ended.

    Attributes:
        status: ``interrupted`` and ``timeout`` where it was stopped from outside.
        execution_count: The kernel's count, or None when it sent none.
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
        died: Future that is done when the process is gone or unusable; its result says how it ended.
        infrastructure: The failure that ended it, if it was not the code in the kernel; else None.
    """

    def __init__(
        self,
        process: SandboxedProcess,
        sandbox: Sandbox,
        printed: Mapping[str, io.FileIO],
        channels: KernelChannels,
        services: ServiceConnections,
    ) -> None:
        self._process = process
        self._sandbox = sandbox
        self._printed = printed
        self._channels = channels
        self._services = services
        self._runs: dict[str, _Run] = {}
        self._current: _Run | None = None
        self._latest: _Run | None = None
        self._last_message = 0.0
        self._work_on_path = False
        self.infrastructure: str | None = None
        self.died: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._partings: list[asyncio.TimerHandle] = []
        self._published = asyncio.create_task(self._read("iopub", self._take_iopub))
        self._tasks = [
            asyncio.create_task(self._watch_process()),
            asyncio.create_task(self._read("shell", self._take_shell)),
            self._published,
        ]

    @classmethod
    async def start(
        cls,
        sandbox: Sandbox,
        name: str,
        work: Path,
        timeout_s: float,
        limits: ProcessLimits,
        services: ServiceConnections,
    ) -> Kernel:
        """Start a kernel and wait until it answers.

        Args:
            sandbox: Its sandbox.
            name: Its name there.
            work: Its working folder there.
            timeout_s: Seconds that the start may take.
            limits: Its resource limits.
            services: Its services; closed with it, but not when it can't be launched.

        Raises:
            InfrastructureError: With cause ``kernel_start`` when it does not come up, ``fork_server`` when the
                fork-server is gone.
        """
        private = sandbox.private_folders(name, work)
        try:
            connection = _connection(private.root / "k")
            with contextlib.ExitStack() as sockets:
                listening = _listen(connection, sockets)
                printed = {stream: memory_file.create(MAX_RECOVERED_BYTES) for stream in _PRINTED_AT}
                passed = listening | {_PRINTED_AT[stream]: file.fileno() for stream, file in printed.items()}
                passed |= services.descriptors
                request = {
                    "connection": {**connection, "ip": "/k"},
                    "sockets": {str(number): number + _SOCKETS_AT for number in range(1, len(_PORTS) + 1)},
                    "services": list(services.descriptors),
                    "startup": _SOURCES,
                    "given": _PRINTED_AT,
                }
                # They are where the kernel has no access, and connected before it exists, so they lead to the right
                # sockets. The heartbeat would mistake a slow start for a death; stdin and control are not used.
                paths: dict[ChannelName, Path] = {
                    "shell": private.root / f"k-{connection['shell_port']}",
                    "iopub": private.root / f"k-{connection['iopub_port']}",
                }
                channels = await KernelChannels.connect(paths, connection["key"])
                try:
                    process = sandbox.start_kernel(private, request, passed, limits)
                except BaseException:
                    channels.close()
                    raise
        except OSError as error:
            raise InfrastructureError("kernel_start", f"The kernel could not be launched: {error}.") from error
        kernel = cls(process, sandbox, printed, channels, services)
        try:
            async with asyncio.timeout(timeout_s):
                await kernel._wait_until_ready()
        except TimeoutError as error:
            await kernel.close()
            message = f"The kernel did not answer within {timeout_s:g} s: {_last_words(process)}"
            raise InfrastructureError("kernel_start", message) from error
        except DeadKernelError as error:
            await kernel.close()
            if not sandbox.healthy and kernel.infrastructure is not None:
                raise InfrastructureError("fork_server", kernel.infrastructure) from error
            message = f"The kernel ended at start ({error.detail}): {_last_words(process)}"
            raise InfrastructureError("kernel_start", message) from error
        except BaseException:
            await kernel.close()
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
            code: The code; with expressions, it runs silently and outside the history.
            sink: Receives the messages, including those of threads that outlive the run.
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
        message_id = self._channels.request(
            "execute_request",
            {
                "code": code,
                "silent": silent,
                "store_history": not silent,
                "user_expressions": expressions or {},
                "allow_stdin": False,
                "stop_on_error": False,
                _ON_PATH: self._work_on_path,
            },
        )
        run = self._current = _Run(sink, asyncio.get_running_loop().create_future())
        self._runs[message_id] = run
        self._latest = self._latest if silent else run
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
            for page in () if silent else pages(content):
                sink.message("display_data", page)
        except DeadKernelError:
            self._recover_printed(run)
            raise
        finally:
            self._current = None
            if silent:
                self._runs.pop(message_id, None)
        return _reply(content, timed_out, run.interrupted)

    def put_work_on_path(self) -> None:
        """Let code that runs from now on import from the working folder: the kernel belongs to the agent."""
        self._work_on_path = True

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

    def pause(self) -> None:
        """Stop reading its messages: it is about to be closed."""
        self._channels.pause()

    async def close(self, reason: str = "it was shut down") -> None:
        """Kill the process and everything it started, and close the sockets. May be called twice."""
        self._declare_dead(reason)
        self._channels.close()
        for task in self._tasks:
            task.cancel()
        for timer in self._partings:
            timer.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._current is not None:  # what has run until now still passes on what was printed last
            await asyncio.sleep(0.01)
        if not await _reap(self._process):
            self.infrastructure = f"Process {self._process.pid} of a kernel was killed but does not end."
        for file in self._printed.values():
            file.close()

    async def _wait_until_ready(self) -> None:
        """Ask for kernel_info until the answer comes on both channels: then IOPub is subscribed."""
        loop = asyncio.get_running_loop()
        shaking = asyncio.ensure_future(self._channels.ready())
        try:
            if not await self._wait_for(shaking, LONGEST_START_S) or not self.alive:
                raise DeadKernelError(self.died.result())
            await shaking
        except ChannelError as error:
            await self._wait_for(self.died, PARTING_S)  # which says more
            self._declare_dead(f"its channels did not come up: {error}")
            raise DeadKernelError(self.died.result()) from error
        finally:
            shaking.cancel()
        self._ready.set_result(None)
        while True:
            run = _Run(Discard(), loop.create_future())
            message_id = self._channels.request("kernel_info_request", {})
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
                    # it has answered and then sends nothing readable, not even the idle status
                    self._declare_dead("its output channel broke: nothing that can be read came after the reply")
        finally:
            idle.cancel()
        if not self.alive:
            raise DeadKernelError(self.died.result())

    async def _watch_process(self) -> None:
        while (code := self._process.poll()) is None:
            # until its PID is known, it waits for the first poll to tell it that it may start
            await asyncio.sleep(START_POLL_S if self._process.pid is None else POLL_S)
        # its last messages may still be on their way
        await asyncio.wait((self._published,), timeout=PARTING_S)
        if not self.died.done() and not self._sandbox.healthy:
            self.infrastructure = self._sandbox.why_unhealthy()
        self._declare_dead(_EXCEEDED.get(self._process.exceeded) or _describe_exit(code))

    async def _read(self, name: ChannelName, take: Callable[[_Run, Message], None]) -> None:
        """Process the messages of a channel until it ends."""
        malformed = 0
        try:
            await self._ready
            while self.alive:
                try:
                    message = await self._channels.receive(name)
                except MalformedError as error:
                    malformed += 1
                    logger.debug("kernel sent a malformed message on %s: %s", name, error)
                    if malformed >= MAX_MALFORMED:
                        self._declare_dead(f"it sent {malformed} malformed messages in a row")
                    continue
                malformed = 0
                if isinstance(message, TooLarge):
                    self._leave_out(name, message)
                elif (run := self._match(message) or self._host(name, message)) is not None:
                    take(run, message)
        except ChannelError as error:
            # usually the process is ending, which is more informative
            detail = f"its {name} channel to the notebook broke: {error}"
            self._partings.append(asyncio.get_running_loop().call_later(PARTING_S, self._declare_dead, detail))

    def _match(self, message: Message) -> _Run | None:
        return self._runs.get(message.parent) if message.parent is not None else None

    def _host(self, name: ChannelName, message: Message) -> _Run | None:
        """The latest cell, for an output without a parent."""
        return self._latest if name == "iopub" and message.kind in _OUTPUTS else None

    def _leave_out(self, name: ChannelName, message: TooLarge) -> None:
        if name == "shell":
            self._declare_dead(f"its reply of {message.size >> 20} MiB was too large to be taken")
        elif self._current is not None:
            note = f"[an output of {message.size >> 20} MiB was left out: it is too large to be taken]\n"
            self._current.sink.message("stream", {"name": "stderr", "text": note})

    def _forget_printed(self) -> None:
        for file in self._printed.values():
            memory_file.write(file.fileno(), b"")

    def _recover_printed(self, run: _Run) -> None:
        """Pass on output that a dead kernel has printed but not sent."""
        for name, file in self._printed.items():
            text = memory_file.read(file.fileno(), MAX_RECOVERED_BYTES).decode("utf-8", "replace")
            missing = text[run.printed.get(name, 0) :]
            if missing:
                run.sink.message("stream", {"name": name, "text": missing})

    def _take_iopub(self, run: _Run, message: Message) -> None:
        self._last_message = asyncio.get_running_loop().time()
        content = message.content
        if message.kind == "status":
            if content.get("execution_state") == "idle":
                run.idle.set()
            return
        if message.kind == "stream":
            name, text = content.get("name"), content.get("text")
            if not isinstance(name, str) or name not in self._printed:
                return
            run.printed[name] = run.printed.get(name, 0) + (len(text) if isinstance(text, str) else 0)
        run.sink.message(message.kind, content)

    def _take_shell(self, run: _Run, message: Message) -> None:
        if message.kind in ("execute_reply", "kernel_info_reply") and not run.reply.done():
            run.reply.set_result(message.content)

    def _declare_dead(self, detail: str) -> None:
        if not self.died.done():
            self.died.set_result(detail)
        self._services.close()
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


def _listen(connection: Mapping[str, Any], undo: contextlib.ExitStack) -> dict[int, int]:
    """Listening sockets for a kernel, by their number there; closed at the end of the stack."""
    listening = {}
    for name in _PORTS:
        number = connection[name]
        listener = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        listener.bind(f"{connection['ip']}-{number}")
        listener.listen()
        listening[number + _SOCKETS_AT] = listener.fileno()
    return listening


def _describe_exit(code: int) -> str:
    """An exit code in words; the shell's 128 + N stands for a signal N."""
    if 128 < code < 128 + 65:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(code - 128).name}"
    return f"exit code {code}"


async def _reap(process: SandboxedProcess) -> bool:
    """Wait for a killed process and release its resources; returns whether it has ended."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(REAP_S):
            while process.poll() is None:
                await asyncio.sleep(0.01)
    if process.poll() is None:
        return False
    await asyncio.to_thread(process.close)  # the end of a control group may take a while
    return True


def _last_words(process: SandboxedProcess, size: int = 2000) -> str:
    """The end of a process's output, for a message."""
    return process.printed()[-size:] or "it printed nothing"
