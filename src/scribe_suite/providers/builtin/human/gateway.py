"""A kernel gateway whose kernels are sessions of the attempt's notebook: all that JupyterLab has of a kernel.

JupyterLab's server is told to take its kernels from here (``GatewayClient``). A cell that it runs becomes a call of
``execute_code`` like an agent's: it is in the journal, it is counted, the limits hold, and it is refused while the
clock is stopped. Nothing runs in the kernel that is not a cell: requests for completion, inspection and the like get an
empty reply, and expressions that front ends attach to cells are not evaluated.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.agent_view import entry_text
from scribe_suite.providers.builtin.human.link import Reply
from scribe_suite.providers.builtin.human.sitting import RefusedError, Sitting

#: Name of the only kind of kernel.
KERNEL_NAME = "python3"
#: Version of Jupyter's message protocol.
PROTOCOL = "5.3"
#: Name of the notebook that a kernel's cells are recorded in.
NOTEBOOK = "jupyterlab"
SPEC: dict[str, Any] = {
    "name": KERNEL_NAME,
    "spec": {
        "argv": [],
        "display_name": "Python (sealed)",
        "language": "python",
        "env": {},
        "interrupt_mode": "message",
        "metadata": {},
    },
    "resources": {},
}

Message = dict[str, Any]


class Client(Protocol):
    """A connection to a kernel's channels."""

    def tell(self, message: Message) -> None:
        """Send a message."""


@dataclass(eq=False)
class GatewayKernel:
    """One kernel.

    Attributes:
        session: Its session of the notebook.
        kernel_id: Its id for JupyterLab.
        state: ``idle`` or ``busy``.
        count: The number that its next cell will have, as far as it is known: the set-up cell has one, too.
        clients: Who is connected.
        requests: Cells that wait for their turn.
    """

    session: str
    count: int = 1
    kernel_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = "idle"
    clients: set[Client] = field(default_factory=set)
    requests: asyncio.Queue[tuple[Message, Client]] = field(default_factory=asyncio.Queue)
    worker: asyncio.Task[None] | None = None
    active: datetime = field(default_factory=lambda: datetime.now(UTC))

    def model(self) -> dict[str, Any]:
        """What Jupyter's REST interface says of it."""
        return {
            "id": self.kernel_id,
            "name": KERNEL_NAME,
            "last_activity": self.active.isoformat().replace("+00:00", "Z"),
            "execution_state": self.state,
            "connections": len(self.clients),
        }


class _Shown:
    """Shows the outputs of one cell.

    A result is held back, with what follows it, until its number is known, which the end of the cell tells.

    Args:
        publish: Sends an output.

    Attributes:
        error: The last error, or None.
    """

    def __init__(self, publish: Callable[[str, Message], None]) -> None:
        self._publish = publish
        self._held: list[dict[str, Any]] = []
        self.error: Message | None = None

    def add(self, output: dict[str, Any]) -> None:
        """Show an output of the cell."""
        if self._held or output["output_type"] == "execute_result":
            self._held.append(output)
        else:
            self._show(output)

    def conclude(self, reply: Reply, count: int) -> None:
        """Show what was held back, and what the reply says beyond the outputs.

        Args:
            reply: The result of the call.
            count: The cell's number.
        """
        for output in self._held:
            self._show(output, count)
        value = reply.value
        for line in (*value.get("notices", ()), *filter(None, [value.get("note")])):
            self._show({"output_type": "stream", "name": "stderr", "text": f"[{line}]\n"})
        for late in value.get("late_outputs", ()):
            texts = "\n".join(entry_text(entry) for entry in late["outputs"])
            text = f"[cell {late['execution_count']} has put this out after its end:]\n{texts}\n"
            self._show({"output_type": "stream", "name": "stdout", "text": text})
        if reply.is_error:
            self.fail(f"{reply.text}\n(Here: Kernel > Restart Kernel gives you a new one.)")
        elif value.get("status") != "ok" and self.error is None:
            self.fail(f"The cell ended with status {value.get('status')}.")

    def fail(self, text: str) -> None:
        """Show that the cell did not run, or not to its end."""
        name = "NotRun"
        self._show({"output_type": "error", "ename": name, "evalue": text, "traceback": [f"{name}: {text}"]})

    def _show(self, output: dict[str, Any], count: int = 0) -> None:
        kind, content = jupyter_output(output, count)
        if kind == "error":
            self.error = content
        self._publish(kind, content)


class Gateway:
    """The kernels of one sitting.

    Args:
        sitting: It.

    Attributes:
        kernels: By id.
        current: Session of the kernel that ran a cell last, or None.
    """

    def __init__(self, sitting: Sitting) -> None:
        self._sitting = sitting
        self.kernels: dict[str, GatewayKernel] = {}
        self.current: str | None = None

    async def start(self) -> GatewayKernel:
        """Start a kernel.

        Raises:
            RefusedError: When the clock is stopped, or the notebook starts no more sessions.
        """
        kernel = GatewayKernel(await self._start_session())
        self.kernels[kernel.kernel_id] = kernel
        kernel.worker = asyncio.create_task(self._work(kernel))
        self.current = kernel.session
        return kernel

    async def restart(self, kernel: GatewayKernel) -> None:
        """Give a kernel a new session, with an empty notebook of its own; the earlier notebook is kept.

        Raises:
            RefusedError: As in `start`.
        """
        await self._sitting.ask("shutdown_session", {"session_id": kernel.session})
        kernel.session, kernel.count = await self._start_session(), 1
        self.current = kernel.session
        self._publish(kernel, {}, "status", {"execution_state": "restarting"})
        self._say_state(kernel, {}, "idle")

    async def end(self, kernel: GatewayKernel) -> None:
        """End a kernel.

        Raises:
            RefusedError: When the clock is stopped.
        """
        await self._sitting.ask("shutdown_session", {"session_id": kernel.session})
        self.kernels.pop(kernel.kernel_id, None)
        if kernel.worker is not None:
            kernel.worker.cancel()

    async def interrupt(self, kernel: GatewayKernel) -> None:
        """Interrupt the running cell.

        Raises:
            RefusedError: When the clock is stopped.
        """
        await self._sitting.ask("interrupt", {"session_id": kernel.session})

    def close(self) -> None:
        """Stop working."""
        for kernel in self.kernels.values():
            if kernel.worker is not None:
                kernel.worker.cancel()

    async def receive(self, kernel: GatewayKernel, message: Message, client: Client) -> None:
        """Process one message of a client."""
        kind = str(message["header"]["msg_type"])
        if kind == "execute_request":
            kernel.requests.put_nowait((message, client))
            return
        handler = _HANDLERS.get(kind)
        if handler is None:  # comms and the like: there is nothing in the kernel that could answer
            return
        self._say_state(kernel, message, "busy")
        content = await handler(self, kernel, message["content"])
        client.tell(_reply(message, kind.replace("_request", "_reply"), content))
        self._say_state(kernel, message, "idle")

    async def _start_session(self) -> str:
        """Start a session; returns its id."""
        reply = await self._sitting.ask("start_new_session", {"experiment_name": NOTEBOOK})
        session = reply.value.get("session_id")
        if reply.is_error or not isinstance(session, str):
            raise RefusedError(reply.text)
        return session

    async def _work(self, kernel: GatewayKernel) -> None:
        """Run the cells of a kernel in turn; after an error, those that wait are dropped, as in Jupyter."""
        while True:
            message, client = await kernel.requests.get()
            failed = await self._execute(kernel, message, client)
            while failed and not kernel.requests.empty():
                waiting, its_client = kernel.requests.get_nowait()
                its_client.tell(_reply(waiting, "execute_reply", {"status": "aborted"}))
                self._say_state(kernel, waiting, "idle")

    async def _execute(self, kernel: GatewayKernel, message: Message, client: Client) -> bool:
        """Run a cell; returns whether those behind it must not run."""
        content = message["content"]
        code, count = str(content.get("code", "")), kernel.count
        self._say_state(kernel, message, "busy")
        shown = _Shown(lambda kind, output: self._publish(kernel, message, kind, output))
        if code.strip():
            self._publish(kernel, message, "execute_input", {"code": code, "execution_count": count})
            self.current = kernel.session
            arguments = {"session_id": kernel.session, "code": code}
            try:
                reply = await self._sitting.ask("execute_code", arguments, shown.add)
            except (RefusedError, InfrastructureError) as error:  # of the latter the sitting ends, and says why
                shown.fail(str(error))
            else:
                given = reply.value.get("execution_count")
                count = given if isinstance(given, int) else count
                kernel.count = count + (not reply.is_error)
                shown.conclude(reply, count)
        answer: dict[str, Any] = {"status": "ok", "execution_count": count, "user_expressions": {}, "payload": []}
        if shown.error is not None:
            answer = {**shown.error, "status": "error", "execution_count": count}
        client.tell(_reply(message, "execute_reply", answer))
        self._say_state(kernel, message, "idle")
        return shown.error is not None and bool(content.get("stop_on_error", True))

    async def _kernel_info(self, _kernel: GatewayKernel, _content: Message) -> Message:
        return {
            "status": "ok",
            "protocol_version": PROTOCOL,
            "implementation": "ipython",
            "implementation_version": "",
            "language_info": {
                "name": "python",
                "version": "3",
                "mimetype": "text/x-python",
                "codemirror_mode": {"name": "ipython", "version": 3},
                "pygments_lexer": "ipython3",
                "nbconvert_exporter": "python",
                "file_extension": ".py",
            },
            "banner": "The attempt's sealed kernel",
            "help_links": [],
        }

    async def _complete(self, _kernel: GatewayKernel, content: Message) -> Message:
        position = content.get("cursor_pos", 0)
        return {"status": "ok", "matches": [], "cursor_start": position, "cursor_end": position, "metadata": {}}

    async def _inspect(self, _kernel: GatewayKernel, _content: Message) -> Message:
        return {"status": "ok", "found": False, "data": {}, "metadata": {}}

    async def _history(self, _kernel: GatewayKernel, _content: Message) -> Message:
        return {"status": "ok", "history": []}

    async def _is_complete(self, _kernel: GatewayKernel, _content: Message) -> Message:
        return {"status": "unknown"}

    async def _comm_info(self, _kernel: GatewayKernel, _content: Message) -> Message:
        return {"status": "ok", "comms": {}}

    async def _interrupt(self, kernel: GatewayKernel, _content: Message) -> Message:
        with contextlib.suppress(RefusedError):
            await self.interrupt(kernel)
        return {"status": "ok"}

    def _say_state(self, kernel: GatewayKernel, parent: Message, state: str) -> None:
        kernel.state, kernel.active = state, datetime.now(UTC)
        self._publish(kernel, parent, "status", {"execution_state": state})

    def _publish(self, kernel: GatewayKernel, parent: Message, kind: str, content: Message) -> None:
        message = _message(kind, content, parent.get("header", {}), "iopub")
        for client in tuple(kernel.clients):
            client.tell(message)


_HANDLERS: dict[str, Callable[[Gateway, GatewayKernel, Message], Awaitable[Message]]] = {
    "kernel_info_request": Gateway._kernel_info,
    "complete_request": Gateway._complete,
    "inspect_request": Gateway._inspect,
    "history_request": Gateway._history,
    "is_complete_request": Gateway._is_complete,
    "comm_info_request": Gateway._comm_info,
    "interrupt_request": Gateway._interrupt,
}


def jupyter_output(output: dict[str, Any], count: int) -> tuple[str, Message]:
    """A journal's output as a message of Jupyter's protocol: type and content.

    Args:
        output: See `OutputRecorder`.
        count: The number of its cell.
    """
    kind = str(output["output_type"])
    content = {name: value for name, value in output.items() if name not in ("output_type", "display_id")}
    if kind in ("display_data", "update_display_data"):
        content["transient"] = {"display_id": output["display_id"]} if "display_id" in output else {}
    if kind == "execute_result":
        content["execution_count"] = count
    return kind, content


def _reply(request: Message, kind: str, content: Message) -> Message:
    return _message(kind, content, request["header"], str(request.get("channel") or "shell"))


def _message(kind: str, content: Message, parent: Message, channel: str) -> Message:
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": kind,
        "username": "kernel",
        "session": parent.get("session", ""),
        "date": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "version": PROTOCOL,
    }
    return {
        "header": header,
        "msg_id": header["msg_id"],
        "msg_type": kind,
        "parent_header": parent,
        "metadata": {},
        "content": json.loads(json.dumps(content)),
        "buffers": [],
        "channel": channel,
    }
