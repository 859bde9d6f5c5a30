"""A real headless Chromium that tests click and type in, over its own debugging protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.report.browser import CHROMIUM

#: Seconds that a page may take for anything.
PATIENCE_S = 60.0


class Page:
    """One tab, with the frames in it."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._contexts: dict[int, str] = {}
        self._reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        while (text := await self._socket.read_message()) is not None:
            message = json.loads(text)
            if "id" in message:
                self._waiting.pop(message["id"]).set_result(message)
            elif message["method"] == "Runtime.executionContextCreated":
                context = message["params"]["context"]
                if context["auxData"].get("isDefault"):
                    self._contexts[context["id"]] = context["origin"]
            elif message["method"] == "Runtime.executionContextDestroyed":
                self._contexts.pop(message["params"]["executionContextId"], None)
            elif message["method"] == "Page.javascriptDialogOpening":
                self._accepting = asyncio.ensure_future(self.send("Page.handleJavaScriptDialog", accept=True))

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.write_message(json.dumps({"id": number, "method": method, "params": params}))
        reply = await asyncio.wait_for(future, PATIENCE_S)
        assert "error" not in reply, reply
        return reply["result"]

    async def ask(self, script: str, origin: str = "") -> Any:
        """The value of an expression in the frame of an origin, by default in the page itself."""
        for context in [one for one, its in self._contexts.items() if its == origin] if origin else [None]:
            where = {} if context is None else {"contextId": context}
            got = await self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, **where)
            assert "exceptionDetails" not in got, got["exceptionDetails"]
            return got["result"].get("value")
        return None

    async def until(self, script: str, origin: str = "") -> Any:
        """Wait until an expression is true; its value."""
        deadline = time.monotonic() + PATIENCE_S
        while not (value := await self.ask(script, origin)):
            if time.monotonic() > deadline:
                shown = str(await self.ask("document.body.innerText", origin))
                raise AssertionError(
                    f"{script} did not become true in {origin or 'the page'}, which shows: {shown[-600:]}"
                )
            await asyncio.sleep(0.1)
        return value

    async def click(self, selector: str, origin: str = "") -> None:
        await self.until(f"!!document.querySelector({selector!r})", origin)
        await self.ask(f"document.querySelector({selector!r}).click()", origin)

    async def type(self, text: str) -> None:
        """Type into what has the focus."""
        await self.send("Input.insertText", text=text)

    async def press(self, key: str, code: int, modifiers: int = 0) -> None:
        for kind in ("rawKeyDown", "keyUp"):
            await self.send(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, modifiers=modifiers
            )

    async def picture(self, path: Path) -> None:
        got = await self.send("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(got["data"]))


@contextlib.asynccontextmanager
async def opened(address: str) -> AsyncIterator[Page]:
    """A page in a new Chromium."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=1500,950",
             "--disable-background-networking", "--disable-features=IsolateOrigins,site-per-process",
             "--remote-debugging-port=0", "--remote-allow-origins=*", f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            port = Path(profile) / "DevToolsActivePort"
            deadline = time.monotonic() + PATIENCE_S
            while not (port.exists() and port.read_text().count("\n") >= 1):
                assert process.poll() is None, "Chromium did not start"
                assert time.monotonic() < deadline, "Chromium did not start"
                await asyncio.sleep(0.1)
            number = port.read_text().splitlines()[0]
            socket = await websocket_connect(await _tab(number), max_message_size=64 << 20)
            page = Page(socket)
            for domain in ("Page", "Runtime"):
                await page.send(f"{domain}.enable")
            await page.send("Emulation.setFocusEmulationEnabled", enabled=True)
            await page.send("Page.navigate", url=address)
            yield page
            socket.close()
        finally:
            process.terminate()
            process.wait(20)


async def _tab(port: str) -> str:
    from tornado.httpclient import AsyncHTTPClient

    got = await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/json")
    return next(tab["webSocketDebuggerUrl"] for tab in json.loads(got.body) if tab["type"] == "page")
