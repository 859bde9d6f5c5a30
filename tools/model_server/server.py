"""The server: HTTP on 127.0.0.1, in a separate thread."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import uvicorn

from .bodies import BodyError, read_json
from .failures import Answer, whole_answer
from .plays import BASE_PATHS, Incoming, LoggedRequest, Play, answer
from .scenario import FOLDER, Scenario, ScenarioError, Value, load_scenario
from .usage import Api

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_PATH = re.compile(r"/s/(?P<play>[^/]+)(?P<rest>/.*)?")
#: Seconds the server may take to start or stop.
_PATIENCE_S = 10.0


class ModelServer:
    """Plays scenarios in the role of a model; a context manager.

    Each `base_url` is a separate play: its failures are counted separately, and its requests are logged under its name.

    An exception inside the server is raised again when it is closed.

    Args:
        folder: Folder of the scenario files.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._plays: dict[str, Play] = {}
        self._requests: list[LoggedRequest] = []
        self._own_errors: list[Exception] = []
        self._lock = threading.Lock()
        # asyncio switches Nagle's algorithm off, which would cost 40 ms a request, where the protocol says TCP
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._port = 0
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = threading.Event()
        config = uvicorn.Config(
            cast(Any, self._app),
            interface="asgi3",
            proxy_headers=False,
            http="h11",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level=logging.CRITICAL + 1,  # connections that are cut are meant to be cut
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="model-server", daemon=True)

    def __enter__(self) -> Self:
        self._socket.bind(("127.0.0.1", 0))
        self._port = self._socket.getsockname()[1]
        self._socket.listen(128)
        self._thread.start()
        if not self._started.wait(_PATIENCE_S):
            raise RuntimeError("The model server did not start.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(_PATIENCE_S)
        self._socket.close()
        if self._own_errors and error is None:
            raise self._own_errors[0]

    @property
    def address(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def requests(self) -> list[LoggedRequest]:
        """All requests so far, in order of arrival."""
        with self._lock:
            return list(self._requests)

    def requests_of(self, base_url: str) -> list[LoggedRequest]:
        """The requests that came through `base_url`."""
        match = _PATH.fullmatch(base_url.removeprefix(self.address))
        if match is None:
            raise ScenarioError(f"{base_url} is not a base URL of this server.")
        return [request for request in self.requests if request.play == match["play"]]

    def base_url(self, api: Api, scenario: str | Scenario, **parameters: Value) -> str:
        """The base URL that a client of `api` is given, to be played `scenario`.

        Args:
            api: ``anthropic``, ``openai`` (Responses), ``openai-chat`` or ``gemini``.
            scenario: Name of a scenario file, or a scenario.
            parameters: Values for parameters of the file.

        Raises:
            ScenarioError: When there is no such API, file or parameter, or the file is not valid.
        """
        if api not in BASE_PATHS:
            raise ScenarioError(f"There is no API {api!r}; there are {', '.join(BASE_PATHS)}.")
        if isinstance(scenario, str):
            scenario = load_scenario(scenario, self._folder, **parameters)
        elif parameters:
            raise ScenarioError("Parameters are for scenario files; a scenario made by a test has its values already.")
        with self._lock:
            name = f"{scenario.name}-{len(self._plays) + 1}"
            self._plays[name] = Play(name, scenario)
        return f"{self.address}/s/{name}{BASE_PATHS[api]}"

    def _run(self) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._started.set)  # the socket listens already: early clients wait in its queue
            await self._server.serve(sockets=[self._socket])

        asyncio.run(serve())

    async def _app(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        prepared = await self._prepare(scope, await _read_body(receive))
        if isinstance(prepared, Answer):
            await self._send(prepared, receive, send)
            return
        playing, rest, request = prepared
        try:
            sent, line = answer(playing, rest, request)
        except Exception as error:  # a fault of the server itself, which must not pass for a scenario's
            self._own_errors.append(error)
            sent, line = (
                whole_answer({"error": {"message": f"model server: {error!r}"}}, 500),
                request.log(playing, "other"),
            )
        with self._lock:
            self._requests.append(line)
        if playing.scenario.delay_s:
            await self._wait(receive, playing.scenario.delay_s)
        await self._send(sent, receive, send)

    async def _prepare(self, scope: dict[str, Any], raw: bytes) -> Answer | tuple[Play, str, Incoming]:
        """The play and content of a request, or the answer to an invalid one."""
        headers = {name.decode("latin1").lower(): value.decode("latin1") for name, value in scope["headers"]}
        match = _PATH.fullmatch(scope["path"])
        with self._lock:
            playing = self._plays.get(match["play"]) if match else None
            known = ", ".join(self._plays) or "none yet"
        if playing is None or match is None:
            message = f"{scope['path']} belongs to no play of this server; take the URL from base_url. Plays: {known}."
            return whole_answer({"error": {"message": message}}, 404)
        try:
            body = read_json(raw, headers.get("content-encoding", ""))
        except BodyError as error:
            return whole_answer({"error": {"message": str(error)}}, 400)
        query = scope["query_string"].decode("latin1")
        return playing, match["rest"] or "", Incoming(scope["method"], scope["path"], query, headers, body)

    async def _send(self, sent: Answer, receive: Receive, send: Send) -> None:
        if sent.status is None:
            await self._wait(receive, None)
            return
        headers = _encoded(sent.headers.items())
        await send({"type": "http.response.start", "status": sent.status, "headers": headers})
        for chunk in sent.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if sent.ending == "stall":
            await self._wait(receive, None)
        if sent.ending == "complete":  # else the connection is closed, as what was promised is not all sent
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _wait(self, receive: Receive, seconds: float | None) -> None:
        """Wait until the client has gone, the server is stopped, or some seconds have passed."""
        waiting = [asyncio.ensure_future(receive()), asyncio.ensure_future(self._stopping.wait())]
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()


async def _read_body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin1"), value.encode("latin1")) for name, value in headers]
