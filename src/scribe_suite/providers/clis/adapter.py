"""What is particular to one agent CLI: how it is started, how it logs in, what its events mean."""

from __future__ import annotations

import contextlib
import io
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from scribe_suite.notebook.endpoint import NotebookEndpoint
from scribe_suite.providers.base import Limits
from scribe_suite.providers.transcript import Transcript
from scribe_suite.untrusted_files import MAX_DEPTH, UntrustedFolder

#: What the notebook's MCP server is called in the configurations of the CLIs; Gemini forbids underscores.
SERVER = "scribe"
#: Seconds a CLI may wait for the MCP server, which is there before the CLI is.
START_S = 90
#: Bytes, and lines, of all files of a CLI's sessions together: a long attempt with many figures has a tenth of them.
MAX_SESSION_BYTES, MAX_SESSION_LINES = 64 << 20, 200_000


@dataclass(frozen=True)
class Job:
    """What a CLI is started for.

    Attributes:
        prompt: What the agent is asked.
        model: Its model, or None for the CLI's own default.
        endpoint: Where the notebook is.
        limits: What may be used.
        home: An empty folder that becomes the CLI's home.
        kept: The same, opened before the CLI has been there: what it leaves is read, and written to, through this.
        work: An empty folder that it is started in.
        binary: Its command.
        environ: The user's environment.
    """

    prompt: str
    model: str | None
    endpoint: NotebookEndpoint
    limits: Limits
    home: Path
    kept: UntrustedFolder
    work: Path
    binary: tuple[str, ...]
    environ: Mapping[str, str]

    def session_lines(self, place: str, pattern: str) -> Iterator[str]:
        """The lines of the files in which the CLI keeps its sessions; what can't be read, or is too much, has none.

        Args:
            place: Folder below its home.
            pattern: What their names look like.
        """
        lines = (line for data in self._sessions(place, pattern) for line in io.BytesIO(data))
        for line in itertools.islice(lines, MAX_SESSION_LINES):
            yield line.decode("utf-8", "replace")

    def _sessions(self, place: str, pattern: str) -> Iterator[bytes]:
        left = MAX_SESSION_BYTES
        with contextlib.suppress(OSError), self.kept.folder(place) as folder:
            for name in folder.files(pattern, MAX_DEPTH):
                with contextlib.suppress(OSError):
                    data = folder.read(name, left)
                    left -= len(data)
                    yield data

    @property
    def tool_s(self) -> int:
        """Seconds that a tool call may take: a cell and the end of its kernel; the notebook has limits of its own."""
        return int(self.limits.cell_s * 2 + 300)


@dataclass(frozen=True)
class Launch:
    """How to start a CLI.

    Attributes:
        argv: Its command line.
        environment: What it needs beside path, home and language.
        stdin: What it reads, usually the prompt.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""


class Adapter(ABC):
    """One agent CLI.

    Class attributes:
        title: What its makers call it.
        program: Name of its program.
        variable: Environment variable that names its program instead.
        keys: Environment variables with secrets that log it in; the first is the usual one.
        settings: Further variables of the user's that it is given: addresses and the like.
        credentials: Files below the user's home that log it in, and where they go below the CLI's home.
        config_variable: The CLI's own environment variable for its folder, where a user has moved it.
        config_is_home: Whether that variable names what contains the folder.
        login: What the user can do to log in, as a clause.
    """

    title: ClassVar[str]
    program: ClassVar[str]
    variable: ClassVar[str]
    keys: ClassVar[tuple[str, ...]]
    settings: ClassVar[tuple[str, ...]] = ()
    credentials: ClassVar[Mapping[str, str]] = {}
    config_variable: ClassVar[str]
    config_is_home: ClassVar[bool] = False
    login: ClassVar[str]

    @abstractmethod
    def launch(self, job: Job) -> Launch:
        """Write its configuration into the home folder and say how to start it."""

    @abstractmethod
    def read(self, event: Mapping[str, Any], at: float, transcript: Transcript) -> None:
        """Take one of its events.

        Args:
            event: JSON object of a line of its stdout; nothing in it is sure to be there.
            at: Seconds since the start.
            transcript: What is known so far; changed in place.
        """

    def finish(self, job: Job, transcript: Transcript) -> None:  # noqa: B027 -- most have nothing to look for
        """Look for what it wrote only to its home folder.

        Called at its end, and now and then before where tokens or cost are limited: twice must be as once.
        """


def bare_name(name: str) -> tuple[str, bool]:
    """A tool's name without the CLI's prefix, and whether it is one of the notebook's."""
    for prefix in (f"mcp__{SERVER}__", f"mcp_{SERVER}_", f"{SERVER}__"):
        if name.startswith(prefix):
            return name.removeprefix(prefix), True
    return name, False
