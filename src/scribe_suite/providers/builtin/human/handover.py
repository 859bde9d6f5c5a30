"""The folder in which an attempt is handed over: a socket, and what the person may read. Nothing else is put there.

The folder has no key, seed or score, and no way to them: its socket answers the requests of `REQUESTS`. One request and
one reply are a line of JSON each; ``scribe-suite attempt`` sends them, and any other program can.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from scribe_suite.errors import InfrastructureError
from scribe_suite.providers.builtin.human.link import Reply
from scribe_suite.providers.builtin.human.sitting import RefusedError, Sitting

#: Names the folder of the attempt; without it, each attempt gets a new one in `root`.
FOLDER_VARIABLE = "SCRIBE_SUITE_ATTEMPT_DIR"
SOCKET, PROMPT, TOOLS, ADDRESS, HELP = "sock", "prompt.md", "tools.json", "address", "README.md"
#: Longest path of a Unix socket on Linux, in bytes.
MAX_SOCKET = 107
#: Largest request, in bytes; a cell has up to a million characters.
MAX_REQUEST = 16 << 20

_HELP = """\
# An attempt

    scribe-suite attempt status {folder}
    scribe-suite attempt start {folder}                 # the clock runs from now on, and {folder}/prompt.md is there
    scribe-suite attempt ask {folder} start_new_session
    scribe-suite attempt ask {folder} execute_code session_id=s1 code=- <<'CELL'
    print(model.cfg)
    CELL
    scribe-suite attempt submit {folder} answer         # the variable `answer`; again to replace it
    scribe-suite attempt note {folder} "what was unclear, which way worked, which did not"
    scribe-suite attempt pause {folder}                 # and resume
    scribe-suite attempt quit {folder}

`tools.json` describes the tools. Figures are written to `images/`. Notes are kept with the attempt. The score is not
told. Work through these commands alone: do not read the suite's files, its results or other people's attempts.
"""


def root() -> Path:
    """Where attempts are handed over unless a folder is named: short, because a socket's path must be."""
    return Path(tempfile.gettempdir()) / f"scribe-suite-{os.getuid()}"


def is_open(folder: Path) -> bool:
    """Whether an attempt answers in a folder."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2.0)
            connection.connect(str(folder / SOCKET))
    except (OSError, ValueError):
        return False
    return True


@contextlib.asynccontextmanager
async def handed_over(sitting: Sitting, name: str, address: str | None = None) -> AsyncIterator[Path]:
    """Hand a sitting over in a folder, for as long as the block runs; only what the person was shown remains.

    Args:
        sitting: It.
        name: Name of the folder, if none is named by the user.
        address: What to open in a browser, or None.

    Raises:
        InfrastructureError: With cause ``handover`` when the folder can't be used.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    folder = Path(named).absolute() if named else root() / name
    place = folder / SOCKET
    if len(os.fsencode(place)) > MAX_SOCKET:
        raise InfrastructureError("handover", f"{folder} is too long for a socket: name a shorter folder.")
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid() or (not named and folder.parent.stat().st_uid != os.getuid()):
            raise InfrastructureError("handover", f"{folder} belongs to somebody else: name a folder of your own.")
        if is_open(folder):
            raise InfrastructureError(
                "handover", f"Another attempt is handed over in {folder}: name one folder for each."
            )
        for old in (SOCKET, PROMPT, TOOLS, ADDRESS):
            (folder / old).unlink(missing_ok=True)
        for image in folder.glob("images/image*.png"):
            image.unlink()
        (folder / HELP).write_text(_HELP.format(folder=folder), encoding="utf-8")
        if address is not None:
            _write(folder, ADDRESS, f"{address}\n")
        desk = Counter(sitting, folder)
        if named:
            _list_too(folder, name)
        server = await asyncio.start_unix_server(desk.serve, str(place), limit=MAX_REQUEST)
        place.chmod(0o600)
    except OSError as error:
        raise InfrastructureError("handover", f"The attempt can't be handed over in {folder}: {error}.") from error
    try:
        yield folder
    finally:
        server.close()
        for old in (SOCKET, ADDRESS):
            (folder / old).unlink(missing_ok=True)
        if named:
            (root() / name).unlink(missing_ok=True)
        else:
            _forget(folder)


class Counter:
    """Answers the requests that come through the socket.

    Args:
        sitting: What they are about.
        folder: Gets the figures.
    """

    def __init__(self, sitting: Sitting, folder: Path) -> None:
        self._sitting = sitting
        self._folder = folder
        self._images = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        with contextlib.suppress(ConnectionError):
            try:
                while line := await reader.readline():
                    writer.write(json.dumps(await self.answer(line)).encode() + b"\n")
                    await writer.drain()
            except ValueError:  # a line that is too long
                writer.write(json.dumps({"refused": "The request is too long."}).encode() + b"\n")
            finally:
                writer.close()

    async def answer(self, line: bytes) -> dict[str, Any]:
        """The reply to one request; nothing that is asked makes it raise."""
        begin = time.monotonic()
        try:
            request = json.loads(line)
            handler = REQUESTS.get(str(request.pop("do", None))) if isinstance(request, dict) else None
            if handler is None:
                raise RefusedError(f"The request needs `do`, one of {', '.join(REQUESTS)}.")
            reply = await handler(self, request)
        except (RefusedError, InfrastructureError) as error:
            reply = {"refused": str(error)}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reply = {"refused": f"The request can't be read ({type(error).__name__}: {error})."}
        return {**reply, "seconds": round(time.monotonic() - begin, 2)}

    async def _status(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        return {"status": dataclasses.asdict(self._sitting.status())}

    async def _start(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        self._sitting.start()
        _write(self._folder, TOOLS, json.dumps(self._sitting.tools, indent=1))
        _write(self._folder, PROMPT, self._sitting.prompt())
        return {"text": f"The clock runs. The prompt is {self._folder / PROMPT}."}

    async def _prompt(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        return {"text": self._sitting.prompt()}

    async def _tools(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        return {"tools": self._sitting.tools}

    async def _pause(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        self._sitting.pause()
        return {"text": "The clock is stopped."}

    async def _resume(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        self._sitting.resume()
        return {"text": "The clock goes on."}

    async def _note(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._sitting.note(str(request["text"]))
        return {"text": "The note is kept."}

    async def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        arguments = request.get("arguments", {})
        if not isinstance(arguments, dict):
            raise RefusedError("`arguments` must be an object.")
        return self._shown(await self._sitting.ask(str(request["tool"]), arguments))

    async def _submit(self, request: Mapping[str, Any]) -> dict[str, Any]:
        session = request.get("session")
        return self._shown(await self._sitting.submit(str(request.get("variable", "answer")), session))

    async def _quit(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        self._sitting.quit()
        return {"text": "The attempt is over."}

    def _shown(self, reply: Reply) -> dict[str, Any]:
        """A tool's reply; its figures are files."""
        images = []
        for image in reply.images:
            self._images += 1
            place = self._folder / "images"
            place.mkdir(exist_ok=True)
            path = place / f"image{self._images}.png"
            path.write_bytes(image)
            images.append(str(path))
        return {"text": reply.text, "images": images, "is_error": reply.is_error}


#: What may be asked, by the request's ``do``.
REQUESTS: dict[str, Callable[[Counter, Mapping[str, Any]], Awaitable[dict[str, Any]]]] = {
    "status": Counter._status,
    "start": Counter._start,
    "prompt": Counter._prompt,
    "tools": Counter._tools,
    "pause": Counter._pause,
    "resume": Counter._resume,
    "note": Counter._note,
    "ask": Counter._ask,
    "submit": Counter._submit,
    "quit": Counter._quit,
}


def _write(folder: Path, name: str, text: str) -> None:
    """Write a file of the person's own, whole or not at all."""
    part = folder / f".{name}.part"
    part.write_text(text, encoding="utf-8")
    part.chmod(0o600)
    part.replace(folder / name)


def _list_too(folder: Path, name: str) -> None:
    """Make a folder that the user has named appear in lists."""
    root().mkdir(mode=0o700, exist_ok=True)
    link = root() / name
    link.unlink(missing_ok=True)
    link.symlink_to(folder)


def _forget(folder: Path) -> None:
    """Remove a folder that nobody has named, with what was written into it here."""
    for name in (PROMPT, TOOLS, HELP):
        (folder / name).unlink(missing_ok=True)
    for image in folder.glob("images/image*.png"):
        image.unlink(missing_ok=True)
    for place in (folder / "images", folder):
        with contextlib.suppress(OSError):  # the person has put something there
            place.rmdir()
