"""Configuration and status of a notebook server: plain data, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import get_args

from scribe_suite.errors import ConfigurationError
from scribe_suite.notebook.services import FIRST_SERVICE, LAST_SERVICE, Service
from scribe_suite.sandbox.shared_modules import SharedModule
from scribe_suite.sandbox.tiers import Isolation

#: Default time limit of a cell, in seconds.
CELL_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class NotebookConfig:
    """The configuration of a notebook server: where it writes, what its kernels start with, and their limits.

    Attributes:
        folder: Attempt folder; journals and notebooks go to ``folder/notebooks``. Isolated kernels can't see it.
        files: Files to write to the private working folder of every new notebook before its kernel starts, by relative
            path.
        setup_code: First cell of every new session, shown in journal and notebook; None for none.
        isolation: ``auto`` takes the best tier that works, ``strict`` refuses below namespaces, ``none`` isolates
            nothing.
        hidden: Host folders and files no isolated kernel may see, wherever they lie, such as the checkout with the
            answer keys: system folders and Python are shown to kernels with all that is in them but these. They must
            exist when a kernel starts; a virtual environment inside one of them stays visible.
        cell_timeout_s: Seconds a cell of the agent may run before it is interrupted.
        start_timeout_s: Seconds a kernel may take until it answers.
        interrupt_grace_s: Seconds between the interrupt of a timed-out cell and the kill of its kernel.
        max_sessions: Most kernels at a time, including those that are starting or ending.
        max_sessions_ever: Sessions that can be started, resumed and continued ones included; each leaves traces (a
            journal, a working folder) for as long as the server lives.
        preload: Modules that kernels find imported when they start, where they come from a fork-server: what every
            kernel of the harness will need, since each set of modules is a server of its own.
        shared: Modules with large data, such as a language model, that kernels find imported and have in common.
        services: What every kernel can talk to besides the notebook, by the number of the descriptor at which it finds
            the connected socket.
        gpu: Whether kernels may use the GPUs of the machine.
        memory_limit_bytes: Address space of each kernel process (not with `gpu`), and memory of all processes of a
            kernel together, or None. torch and transformer_lens need 3.1 GB of address space.
        tmp_limit_bytes: Size of the in-memory ``/tmp`` of an isolated kernel.
        work_limit_bytes: Size of the in-memory working folders of all isolated kernels together.
        agent_text_limit: Characters of text one tool result may have.
        cell_text_limit: Characters of text that journal and notebook keep of one run of a cell.
        cell_image_limit_bytes: Base64 bytes of images that journal and notebook keep of one run of a cell.
        notebook_output_limit: Characters, images included, that journal and notebook keep of all runs of all cells;
            past that they keep very little of each.
        journals_limit_bytes: Bytes that the journals of all notebooks may have together, sources and notes included;
            the notebooks themselves, which repeat most of it, may have as much again.
        answer_limit_bytes: Bytes of JSON an answer may have.
        answer_arrays: Entry of an answer that a kernel hands over as an array, not as lists -> bytes that its numbers
            may have.
    """

    folder: Path
    files: Mapping[str, bytes] = field(default_factory=dict)
    setup_code: str | None = None
    isolation: Isolation = "auto"
    hidden: tuple[Path, ...] = ()
    cell_timeout_s: float = CELL_TIMEOUT_S
    start_timeout_s: float = 90.0
    interrupt_grace_s: float = 5.0
    max_sessions: int = 8
    max_sessions_ever: int = 1000
    preload: tuple[str, ...] = ()
    shared: tuple[SharedModule, ...] = ()
    services: Mapping[int, Service] = field(default_factory=dict)
    gpu: bool = False
    memory_limit_bytes: int | None = 8 << 30
    tmp_limit_bytes: int = 512 << 20
    work_limit_bytes: int = 1 << 30
    agent_text_limit: int = 39_000
    cell_text_limit: int = 1_000_000
    cell_image_limit_bytes: int = 16 << 20
    notebook_output_limit: int = 256 << 20
    journals_limit_bytes: int = 512 << 20
    answer_limit_bytes: int = 8 << 20
    answer_arrays: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse values that would fail later.

        Raises:
            ConfigurationError: For an unknown isolation, a limit that is not positive, a file that leaves the folder,
                or a service at a number that kernels need for something else.
        """
        if self.isolation not in get_args(Isolation):
            raise ConfigurationError(f"Isolation {self.isolation!r} does not exist; use one of {get_args(Isolation)}.")
        for name in ("cell_timeout_s", "start_timeout_s", "interrupt_grace_s", "max_sessions", "max_sessions_ever"):
            if not getattr(self, name) > 0:
                raise ConfigurationError(f"{name} is {getattr(self, name)!r}; it must be above 0.")
        for name in self.files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or not path.parts:
                raise ConfigurationError(f"File {name!r} must be a relative path inside the kernel's working folder.")
        for number in self.services:
            if not FIRST_SERVICE <= number <= LAST_SERVICE:
                raise ConfigurationError(
                    f"A service can't be at descriptor {number}: use a number from {FIRST_SERVICE} to {LAST_SERVICE}."
                )

    @property
    def notebooks(self) -> Path:
        """Folder of journals and notebooks."""
        return self.folder / "notebooks"

    @property
    def setup_timeout_s(self) -> float:
        """Time limit of the setup cell, in seconds: short limits for the agent's cells must not affect it."""
        return max(self.cell_timeout_s, self.start_timeout_s)


@dataclass(frozen=True)
class SubmitVerdict:
    """The harness's verdict on a submitted answer.

    Attributes:
        accepted: Whether it is a valid answer.
        message: Goes back to the agent: a confirmation, or precisely what is wrong.
    """

    accepted: bool
    message: str


@dataclass(frozen=True)
class NotebookStatus:
    """A snapshot of what has happened so far.

    Attributes:
        isolation: Name of the tier that is used (``namespaces``, ``landlock`` or ``none``).
        isolation_reasons: Why no better tier is used; empty for the best one.
        sessions_started: Sessions ever started, including resumed and continued ones.
        sessions_open: Sessions whose kernel is alive.
        tools_listed: How often a client asked for the list of tools.
        tool_calls: All tool calls, errors included.
        tool_errors: Tool calls answered with an error.
        tool: The tool called last, or None; never a name that an agent made up.
        actions: Tool -> number of calls, errors included; only existing tools.
        calls_open: Tool calls in progress.
        cells_run: Runs of agent cells, without restored ones.
        cell_timeouts: Cells stopped by the cell timeout.
        interrupts: Calls of ``interrupt`` that found a running cell.
        kernel_deaths: Kernels that died after they had been handed to the agent.
        restarts: Sessions that resumed or continued a notebook.
        submissions: Answers that were read and submitted.
        submissions_accepted: Those that were accepted.
        submission_error: Why the last unreadable answer could not be read (too large, not JSON), or None.
        infrastructure_cause: Short cause of the first failure that was not the agent's, or None.
        infrastructure_error: Its message, or None.
        uptime_s: Seconds since the server started.
        busy_s: Seconds in which cells ran, summed over sessions.
        session_start_s: Total seconds of session starts, set-up cells included.
    """

    isolation: str
    isolation_reasons: tuple[str, ...] = ()
    sessions_started: int = 0
    sessions_open: int = 0
    tools_listed: int = 0
    tool_calls: int = 0
    tool_errors: int = 0
    tool: str | None = None
    actions: Mapping[str, int] = field(default_factory=dict)
    calls_open: int = 0
    cells_run: int = 0
    cell_timeouts: int = 0
    interrupts: int = 0
    kernel_deaths: int = 0
    restarts: int = 0
    submissions: int = 0
    submissions_accepted: int = 0
    submission_error: str | None = None
    infrastructure_cause: str | None = None
    infrastructure_error: str | None = None
    uptime_s: float = 0.0
    busy_s: float = 0.0
    session_start_s: float = 0.0
