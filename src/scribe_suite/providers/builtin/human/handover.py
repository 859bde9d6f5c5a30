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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from scribe_suite.errors import InfrastructureError
from scribe_suite.providers.builtin.human.link import Reply
from scribe_suite.providers.builtin.human.sitting import RefusedError, Sitting
from scribe_suite.untrusted_files import UntrustedFolder

#: Names the folder of the attempt; without it, each attempt gets a new one in `root`.
FOLDER_VARIABLE = "SCRIBE_SUITE_ATTEMPT_DIR"
SOCKET, PROMPT, TOOLS, ADDRESS, HELP, IMAGES = "sock", "prompt.md", "tools.json", "address", "README.md", "images"
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
    place = Path(named).absolute() if named else root() / name
    if len(os.fsencode(place / SOCKET)) > MAX_SOCKET:
        raise InfrastructureError("handover", f"{place} is too long for a socket: name a shorter folder.")
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(_prepared(place))
            folder.write(HELP, [_HELP.format(folder=place).encode()])
            if address is not None:
                folder.write(ADDRESS, [f"{address}\n".encode()])
            if named:
                stack.enter_context(_listed_too(place, name))
            else:
                stack.callback(_forget, place, folder)
            stack.callback(_remove, folder, (SOCKET, ADDRESS))
            server = await asyncio.start_unix_server(
                Counter(sitting, folder).serve, str(place / SOCKET), limit=MAX_REQUEST
            )
        except OSError as error:
            raise InfrastructureError("handover", f"The attempt can't be handed over in {place}: {error}.") from error
        try:
            yield place
        finally:
            server.close()


def _prepared(place: Path) -> UntrustedFolder:
    """The folder, made if it is missing, without what an earlier attempt has left in it.

    Raises:
        InfrastructureError: With cause ``handover`` when it is somebody else's, or in use.
        OSError: When it can't be made or opened.
    """
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = [place, root()] if place.parent == root() else [place]
    if any(one.stat().st_uid != os.getuid() for one in own):
        raise InfrastructureError("handover", f"{place} is in a folder of somebody else's: name one of your own.")
    if is_open(place):
        raise InfrastructureError("handover", f"Another attempt is handed over in {place}: name one folder for each.")
    place.chmod(0o700)  # whoever reaches the socket makes the attempt
    folder = UntrustedFolder(place)
    _remove(folder, (SOCKET, PROMPT, TOOLS, ADDRESS, *folder.files("image*.png", depth=1)))
    return folder


class Counter:
    """Answers the requests that come through the socket.

    Args:
        sitting: What they are about.
        folder: Gets prompt and figures.
    """

    def __init__(self, sitting: Sitting, folder: UntrustedFolder) -> None:
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
        except OSError as error:  # the folder is gone, or full, or has something else of that name
            reply = {"refused": f"The folder of the attempt can't be written: {error}."}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reply = {"refused": f"The request can't be read ({type(error).__name__}: {error})."}
        return {**reply, "seconds": round(time.monotonic() - begin, 2)}

    async def _status(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        return {"status": dataclasses.asdict(self._sitting.status())}

    async def _start(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        self._sitting.start()
        self._folder.write(TOOLS, [json.dumps(self._sitting.tools, indent=1).encode()])
        self._folder.write(PROMPT, [self._sitting.prompt().encode()])
        return {"text": f"The clock runs. The prompt is {self._folder.path / PROMPT}."}

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
            with self._folder.make(IMAGES) as figures:
                figures.write(f"image{self._images}.png", [image])
            images.append(str(self._folder.path / IMAGES / f"image{self._images}.png"))
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


def _remove(folder: UntrustedFolder, names: Iterable[str]) -> None:
    for name in names:
        with contextlib.suppress(OSError):
            folder.remove(name)


@contextlib.contextmanager
def _listed_too(place: Path, name: str) -> Iterator[None]:
    """Make a folder that the user has named appear in lists, for as long as the block runs."""
    root().mkdir(mode=0o700, exist_ok=True)
    link = root() / name
    link.unlink(missing_ok=True)
    link.symlink_to(place)
    try:
        yield
    finally:
        link.unlink(missing_ok=True)


def _forget(place: Path, folder: UntrustedFolder) -> None:
    """Remove a folder that nobody has named, with what was written into it here."""
    _remove(folder, (PROMPT, TOOLS, HELP, *folder.files("image*.png", depth=1)))
    with contextlib.suppress(OSError):
        folder.remove_folder(IMAGES)
    with contextlib.suppress(OSError):  # the person has put something there
        place.rmdir()
