"""The interface to one agent CLI: how it is started, how it logs in, what its events mean."""

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

#: The name of the notebook's MCP server in the CLIs' configurations; Gemini forbids underscores.
SERVER = "scribe"
#: Seconds that a CLI may wait for the MCP server, which starts before the CLI.
START_S = 90
#: Limits of bytes and lines of all files of a CLI's sessions together: a long attempt with many figures needs a tenth.
MAX_SESSION_BYTES, MAX_SESSION_LINES = 64 << 20, 200_000


@dataclass(frozen=True)
class Job:
    """The job that a CLI is started for.

    Attributes:
        prompt: The agent's prompt.
        model: Its model, or None for the CLI's own default.
        endpoint: The notebook's address.
        limits: The limits of the attempt.
        home: An empty folder that becomes the CLI's home.
        kept: The same folder, opened before the CLI starts: its files are read and written through this descriptor.
        work: An empty folder, in which it is started.
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
        """The lines of the CLI's session files; unreadable or oversized files have none.

        Args:
            place: Folder below its home.
            pattern: The pattern of their names.
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
        """Seconds that a tool call may take: a cell and the end of its kernel; the notebook has its own limits."""
        return int(self.limits.cell_s * 2 + 300)


@dataclass(frozen=True)
class Launch:
    """How to start a CLI.

    Attributes:
        argv: Its command line.
        environment: What it needs besides path, home and language.
        stdin: Its input, usually the prompt.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""


@dataclass(frozen=True)
class Access:
    """The variables by which a CLI reaches the service of a model.

    Attributes:
        keys: Those with secrets.
        settings: The others.
        needs_login: Whether there must be a key or a login; a model on this machine may need none.
    """

    keys: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    needs_login: bool = True


class Adapter(ABC):
    """One agent CLI.

    Class attributes:
        title: Its product name.
        program: Name of its program.
        variable: Environment variable that names another program in its place.
        keys: Environment variables with secrets for its login; the first is the usual one.
        settings: Further variables of the user's that it gets, such as addresses.
        credentials: Files below the user's home with its login, and their places below the CLI's home.
        config_variable: The CLI's own environment variable for its folder, in case a user has moved it.
        config_is_home: Whether that variable names the parent of the folder.
        login: How the user can log in, as a clause.
        in_environments: Whether its program is also looked for beside the Python that runs the suite.
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
    in_environments: ClassVar[bool] = False

    @classmethod
    def access(cls, model: str | None, environ: Mapping[str, str]) -> Access:  # noqa: ARG003 -- most have one service
        """Which of the user's variables it gets, for a model.

        Args:
            model: See `Job.model`.
            environ: The user's environment.
        """
        return Access(cls.keys, cls.settings)

    @abstractmethod
    def launch(self, job: Job) -> Launch:
        """Write its configuration to the home folder and return how to start it."""

    @abstractmethod
    def read(self, event: Mapping[str, Any], at: float, transcript: Transcript) -> None:
        """Process one of its events.

        Args:
            event: JSON object from a line of its stdout; any field may be missing.
            at: Seconds since the start.
            transcript: The transcript so far; changed in place.
        """

    def finish(self, job: Job, transcript: Transcript) -> None:  # noqa: B027 -- most have nothing to look for
        """Read what it wrote only to its home folder.

        Called at its end, and also earlier where tokens or cost are limited, so it must be idempotent.
        """


def bare_name(name: str) -> tuple[str, bool]:
    """A tool's name without the CLI's prefix, and whether it is one of the notebook's."""
    for prefix in (f"mcp__{SERVER}__", f"mcp_{SERVER}_", f"{SERVER}__"):
        if name.startswith(prefix):
            return name.removeprefix(prefix), True
    return name, False
