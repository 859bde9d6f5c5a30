"""The local web server of a sitting: the page for the person, and the gateway for JupyterLab's server.

It listens on 127.0.0.1 only. The page needs its token, and the gateway another one, which only JupyterLab's server has.
"""

from __future__ import annotations

import dataclasses
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any

from tornado import web, websocket

from scribe_suite.errors import InfrastructureError
from scribe_suite.providers.builtin.human.gateway import KERNEL_NAME, SPEC, Gateway, GatewayKernel, Message
from scribe_suite.providers.builtin.human.sitting import RefusedError, Sitting, Stage

#: Largest message of a browser, in bytes; a cell has up to a million characters.
MAX_MESSAGE = 16 << 20
_HOSTS = ("127.0.0.1", "localhost")
_PAGE = Path(__file__).with_name("page.html")


@dataclasses.dataclass
class Surroundings:
    """What the handlers work with.

    Attributes:
        sitting: The person's attempt.
        gateway: Its kernels.
        page_token: For the person's browser.
        gateway_token: For JupyterLab's server.
        lab: Port, path and token of JupyterLab.
    """

    sitting: Sitting
    gateway: Gateway
    page_token: str = dataclasses.field(default_factory=lambda: secrets.token_urlsafe(24))
    gateway_token: str = dataclasses.field(default_factory=lambda: secrets.token_urlsafe(24))
    lab: dict[str, Any] = dataclasses.field(default_factory=dict)


def application(around: Surroundings) -> web.Application:
    """The web application."""
    given = {"around": around}
    kernel = r"/gateway/api/kernels/([\w-]+)"
    return web.Application(
        [
            (r"/", PageHandler, given),
            (r"/api/state", StateHandler, given),
            (r"/api/(\w+)", ActionHandler, given),
            (r"/gateway/api/kernelspecs(?:/(\w+))?", SpecsHandler, given),
            (r"/gateway/api/kernels", KernelsHandler, given),
            (kernel, KernelHandler, given),
            (rf"{kernel}/(interrupt|restart)", KernelActionHandler, given),
            (rf"{kernel}/channels", ChannelsHandler, given),
        ],
        websocket_max_message_size=MAX_MESSAGE,
        log_function=lambda _handler: None,
    )


def _has_token(handler: web.RequestHandler, token: str) -> bool:
    kind, _, given = handler.request.headers.get("Authorization", "").partition(" ")
    return kind == "token" and hmac.compare_digest(given.encode(), token.encode())


class _Handler(web.RequestHandler):
    def initialize(self, around: Surroundings) -> None:
        self.around = around

    def set_default_headers(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")

    def prepare(self) -> None:
        if self.request.host_name not in _HOSTS:  # a name of somebody else's that leads here
            raise web.HTTPError(403)
        if not self.allowed():
            raise web.HTTPError(403)

    def allowed(self) -> bool:
        return _has_token(self, self.around.page_token)

    def refuse(self, reason: str, status: int = 409) -> None:
        self.set_status(status)
        self.finish({"refused": reason, "message": reason})


class PageHandler(_Handler):
    """The page itself; its address has the token."""

    def allowed(self) -> bool:
        """Whether the address has the token."""
        given = self.get_query_argument("token", "")
        return hmac.compare_digest(given.encode(), self.around.page_token.encode())

    def get(self) -> None:
        """Send the page."""
        nonce = secrets.token_urlsafe(16)
        frames = " ".join(f"http://{host}:{self.around.lab['port']}" for host in _HOSTS)
        self.set_header(
            "Content-Security-Policy",
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
            f"img-src data:; frame-src {frames}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        )
        self.finish(_PAGE.read_text(encoding="utf-8").replace("NONCE", nonce))


class StateHandler(_Handler):
    """What the page shows."""

    def get(self) -> None:
        """Send it; the prompt and JupyterLab's address only while the clock runs."""
        sitting = self.around.sitting
        status = dataclasses.asdict(sitting.status())
        working = sitting.stage is Stage.WORKING
        self.finish(
            {
                "status": status,
                "notes": sitting.notes,
                "prompt": _html(sitting.prompt()) if working else None,
                "lab": self.around.lab if working else None,
            }
        )


class ActionHandler(_Handler):
    """What the person does on the page."""

    async def post(self, action: str) -> None:
        """Do it, and say what came of it."""
        handler = _ACTIONS.get(action)
        if handler is None:
            raise web.HTTPError(404)
        try:
            asked = json.loads(self.request.body or b"{}")
            self.finish({"text": await handler(self.around, asked)})
        except (RefusedError, InfrastructureError) as error:
            self.refuse(str(error))
        except (ValueError, KeyError, TypeError, AttributeError):
            self.refuse("The request can't be read.", 400)


async def _start(around: Surroundings, _asked: Message) -> str:
    around.sitting.start()
    return "The clock runs."


async def _pause(around: Surroundings, _asked: Message) -> str:
    around.sitting.pause()
    return "The clock is stopped."


async def _resume(around: Surroundings, _asked: Message) -> str:
    around.sitting.resume()
    return "The clock goes on."


async def _note(around: Surroundings, asked: Message) -> str:
    around.sitting.note(str(asked["text"]))
    return "The note is kept."


async def _submit(around: Surroundings, asked: Message) -> str:
    return (await around.sitting.submit(str(asked["variable"]), around.gateway.current)).text


async def _quit(around: Surroundings, _asked: Message) -> str:
    around.sitting.quit()
    return "The attempt is over. Thank you."


_ACTIONS: dict[str, Callable[[Surroundings, Message], Awaitable[str]]] = {
    "start": _start,
    "pause": _pause,
    "resume": _resume,
    "note": _note,
    "submit": _submit,
    "quit": _quit,
}


class _GatewayHandler(_Handler):
    def allowed(self) -> bool:
        return _has_token(self, self.around.gateway_token)

    def kernel(self, kernel_id: str) -> GatewayKernel:
        kernel = self.around.gateway.kernels.get(kernel_id)
        if kernel is None:
            raise web.HTTPError(404)
        return kernel

    async def attempt(self, work: Awaitable[Any]) -> bool:
        """Do something with a kernel; whether it was possible."""
        try:
            await work
        except (RefusedError, InfrastructureError) as error:
            self.refuse(str(error), 503)
            return False
        return True


class SpecsHandler(_GatewayHandler):
    """The only kind of kernel."""

    def get(self, name: str | None) -> None:
        """Describe it."""
        if name is None:
            self.finish({"default": KERNEL_NAME, "kernelspecs": {KERNEL_NAME: SPEC}})
        elif name == KERNEL_NAME:
            self.finish(SPEC)
        else:
            raise web.HTTPError(404)


class KernelsHandler(_GatewayHandler):
    """All kernels."""

    def get(self) -> None:
        """List them."""
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps([kernel.model() for kernel in self.around.gateway.kernels.values()]))

    async def post(self) -> None:
        """Start one."""
        try:
            kernel = await self.around.gateway.start()
        except (RefusedError, InfrastructureError) as error:
            self.refuse(str(error), 503)
            return
        self.set_status(201)
        self.finish(kernel.model())


class KernelHandler(_GatewayHandler):
    """One kernel."""

    def get(self, kernel_id: str) -> None:
        """Describe it."""
        self.finish(self.kernel(kernel_id).model())

    async def delete(self, kernel_id: str) -> None:
        """End it."""
        if await self.attempt(self.around.gateway.end(self.kernel(kernel_id))):
            self.set_status(204)


class KernelActionHandler(_GatewayHandler):
    """What can be done with a kernel."""

    async def post(self, kernel_id: str, action: str) -> None:
        """Do it."""
        kernel, gateway = self.kernel(kernel_id), self.around.gateway
        if await self.attempt((gateway.interrupt if action == "interrupt" else gateway.restart)(kernel)):
            self.finish(kernel.model())


class ChannelsHandler(websocket.WebSocketHandler):
    """The channels of a kernel, as JupyterLab's server relays them."""

    def initialize(self, around: Surroundings) -> None:
        """Take what the handlers work with."""
        self.around = around

    def prepare(self) -> None:
        """Refuse whoever is not JupyterLab's server."""
        if self.request.host_name not in _HOSTS or not _has_token(self, self.around.gateway_token):
            raise web.HTTPError(403)

    def open(self, kernel_id: str) -> None:
        """Connect to a kernel."""
        kernel = self.around.gateway.kernels.get(kernel_id)
        if kernel is None:
            self.close(1011, "no such kernel")
            return
        self.connected: GatewayKernel = kernel
        kernel.clients.add(self)

    async def on_message(self, message: str | bytes) -> None:
        """Process a message."""
        await self.around.gateway.receive(self.connected, json.loads(message), self)

    def on_close(self) -> None:
        """Disconnect."""
        if hasattr(self, "connected"):
            self.connected.clients.discard(self)

    def tell(self, message: Message) -> None:
        """Send a message, unless the connection has ended."""
        if self.ws_connection is not None and not self.ws_connection.is_closing():
            self.write_message(json.dumps(message))


@cache
def _html(markdown: str) -> str:
    """A prompt as HTML; what looks like HTML in it stays text."""
    from markdown_it import MarkdownIt

    made: str = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    return made
