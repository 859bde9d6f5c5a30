"""The attempts in progress: one small file per attempt in a folder of the run, written by workers, read by viewers.

The files contain only public facts about the run: a task, a provider, a count, the name of a tool. They contain no
seed, prompt, answer or text from an agent. Nothing depends on them: if the status can't be written, the run can't be
watched, but is otherwise unaffected.
"""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from scribe_suite.ledger.records import Finite
from scribe_suite.untrusted_files import UntrustedFolder

#: Seconds after which a status is written again although nothing has changed.
HEARTBEAT_S = 15.0
#: Seconds without a sign of life after which an attempt on another machine counts as gone.
GONE_S = 4 * HEARTBEAT_S
#: Seconds by which two readings of a process's start may differ: the kernel counts ticks, and clocks are adjusted.
SAME_START_S = 2.0
#: Longest tool name that is kept, in characters; a model may have made it up.
MAX_TOOL = 40
#: Largest status file, in bytes; a larger one is not ours.
MAX_FILE = 1 << 16
WORKING = "working"
_SUFFIX = ".json"
_CONTROLLER = "controller.json"
_Status = TypeVar("_Status", bound=BaseModel)
_NOT_IN_TOOLS = re.compile(r"[^A-Za-z0-9_.:/-]+")


class RunProcess(BaseModel):
    """A process of a run, distinguishable from a later one with the same number.

    Attributes:
        place: Machine and process-number space in which `pid` means something.
        pid: Its process number.
        process_started: When it started, in Unix seconds.
        updated: When it last wrote this, in Unix seconds.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    place: str
    pid: int
    process_started: Finite
    updated: Finite

    @classmethod
    def this(cls) -> RunProcess:
        """The calling process, now."""
        return cls(place=this_place(), pid=os.getpid(), process_started=_own_start(os.getpid()), updated=time.time())

    def alive(self, now: float) -> bool:
        """Whether it is still running, as far as this machine can tell.

        Args:
            now: Unix seconds.
        """
        if self.place != this_place():
            return now - self.updated < GONE_S
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return bool(abs(process.create_time() - self.process_started) < SAME_START_S)
        except psutil.NoSuchProcess:
            return False
        except psutil.Error:  # somebody else's, of whom nothing may be known
            return now - self.updated < GONE_S


class RunningAttempt(BaseModel):
    """An attempt that runs.

    Attributes:
        task: Task id, ``family/name``.
        provider: The provider.
        trial: The trial's number.
        worker: Id of the xdist worker, or None.
        process: The worker's process.
        phase: The current phase; the agent's own time is `WORKING`.
        began: When the phase began, in Unix seconds.
        limit_s: Limit of the phase in seconds, or None.
        turn: Turns of the model so far, or None where they are not known.
        calls: Calls of the notebook's tools so far.
        tool: The tool called last, or None.
        in_tool: Whether that call is still being answered.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    task: str
    provider: str
    trial: int
    worker: str | None = None
    process: RunProcess
    phase: str
    began: Finite
    limit_s: Finite | None = None
    turn: int | None = None
    calls: int = 0
    tool: str | None = None
    in_tool: bool = False

    def elapsed_s(self, now: float) -> float:
        """Seconds from the phase's beginning to `now`."""
        return max(0.0, now - self.began)


def running_folder(results_dir: Path, run: str) -> Path:
    """The folder of a run's status files; its parent is `Settings.shared_dir`."""
    return results_dir / ".shared" / run / "running"


def make_running_folder(folder: Path) -> None:
    """Create such a folder if it is missing.

    Raises:
        OSError: When it can't be made.
    """
    results, below = _parts(folder)
    results.mkdir(parents=True, exist_ok=True)
    with UntrustedFolder(results) as opened:
        opened.make(below).close()


def tool_name(name: str | None) -> str | None:
    """A tool's name that is safe to show, or None."""
    plain = _NOT_IN_TOOLS.sub("_", name or "")
    return plain[:MAX_TOOL] or None


def write_status(path: Path, status: BaseModel) -> bool:
    """Write a status file, atomically.

    Returns:
        Whether it could be written; failures are not errors.
    """
    try:
        with _opened(path.parent) as folder:
            folder.write(path.name, [status.model_dump_json().encode()])
    except OSError:
        return False
    return True


def remove_status(path: Path) -> None:
    """Remove a status file, if it is there and can be removed."""
    with suppress(OSError), _opened(path.parent) as folder:
        folder.remove(path.name)


def write_controller(folder: Path) -> bool:
    """Record that this process leads the run; returns whether that could be written."""
    return write_status(folder / _CONTROLLER, RunProcess.this())


def controller_alive(folder: Path, now: float) -> bool | None:
    """Whether the process that leads the run is alive, or None when it has left no record."""
    try:
        with _opened(folder) as opened:
            controller = _read(opened, _CONTROLLER, RunProcess.model_validate_json)
    except OSError:
        return None
    return None if controller is None else controller.alive(now)


def read_running(folder: Path, now: float) -> list[RunningAttempt]:
    """The running attempts, those that began first at the top.

    Files of killed workers, and files that are not status files, are skipped.

    Args:
        folder: See `running_folder`; it need not exist.
        now: Unix seconds.
    """
    try:
        with _opened(folder) as opened:
            names = [name for name in opened.files(f"*{_SUFFIX}") if name != _CONTROLLER and not name.startswith(".")]
            found = [_read(opened, name, RunningAttempt.model_validate_json) for name in names]
    except OSError:
        return []
    living = [attempt for attempt in found if attempt is not None and attempt.process.alive(now)]
    return sorted(living, key=lambda attempt: (attempt.phase != WORKING, attempt.began, attempt.task, attempt.provider))


def clear_running(folder: Path) -> None:
    """Remove the folder of a finished run, and its shared folder if that is empty."""
    with suppress(OSError):
        with _opened(folder) as opened:
            for name in opened.files():
                if name.endswith((_SUFFIX, ".tmp")):
                    opened.remove(name)
        results, below = _parts(folder)
        with UntrustedFolder(results) as opened:
            opened.remove_folder(below)
            opened.remove_folder(below.rpartition("/")[0])


@cache
def this_place() -> str:
    """Name of the machine and of the process-number space, which differs between containers."""
    space = ""
    with suppress(OSError):
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115  (a link whose target is no path)
    return f"{platform.node()} {space}".strip()


@cache
def _own_start(pid: int) -> float:
    return float(psutil.Process(pid).create_time())


def _opened(folder: Path) -> UntrustedFolder:
    """Open a folder of status files. The results folder of a resumed run is untrusted."""
    results, below = _parts(folder)
    with UntrustedFolder(results) as opened:
        return opened.folder(below)


def _parts(folder: Path) -> tuple[Path, str]:
    """The results folder, and the path of the status files in it; see `running_folder`."""
    return folder.parents[2], "/".join(folder.parts[-3:])


def _read(folder: UntrustedFolder, name: str, parse: Callable[[bytes], _Status]) -> _Status | None:
    try:
        return parse(folder.read(name, MAX_FILE))
    except (OSError, ValidationError):
        return None
