"""The attempts in progress: one small file per attempt in a folder of the run, written by workers, read by viewers.

The files contain only public facts about the run: a task, a provider, a count, the name of a tool. They hold no seed,
prompt, answer or text of an agent. Nothing depends on them: a run whose status can't be written is a run that can't be
watched, and no more.
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
#: Seconds by which two readings of a process's start may differ: the kernel counts ticks, and clocks are set.
SAME_START_S = 2.0
#: Characters kept of a tool's name, which a model may have made up.
MAX_TOOL = 40
#: Bytes of a status file; a larger one is not ours.
MAX_FILE = 1 << 16
WORKING = "working"
_SUFFIX = ".json"
_CONTROLLER = "controller.json"
_Status = TypeVar("_Status", bound=BaseModel)
_NOT_IN_TOOLS = re.compile(r"[^A-Za-z0-9_.:/-]+")


class RunProcess(BaseModel):
    """A process of a run, told apart from a later one with the same number.

    Attributes:
        place: Machine and process-number space in which `pid` means something.
        pid: Its number.
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
        """The process that asks, now."""
        return cls(place=this_place(), pid=os.getpid(), process_started=_own_start(os.getpid()), updated=time.time())

    def alive(self, now: float) -> bool:
        """Whether it still runs, as far as can be told from here.

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
        provider: Who attempts it.
        trial: Which trial it is.
        worker: Id of the xdist worker, or None.
        process: The worker's process.
        phase: What is being done; the agent's own time is `WORKING`.
        began: When the phase began, in Unix seconds.
        limit_s: Seconds the phase may take, or None where there is no limit.
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
        """Seconds the phase has taken until `now`."""
        return max(0.0, now - self.began)


def running_folder(results_dir: Path, run: str) -> Path:
    """Where the status files of a run are; the parent is `Settings.shared_dir`."""
    return results_dir / ".shared" / run / "running"


def make_running_folder(folder: Path) -> None:
    """Make such a folder, where it is missing.

    Raises:
        OSError: When it can't be made.
    """
    results, below = _parts(folder)
    results.mkdir(parents=True, exist_ok=True)
    with UntrustedFolder(results) as opened:
        opened.make(below).close()


def tool_name(name: str | None) -> str | None:
    """A tool's name that is fit to be shown, or None."""
    plain = _NOT_IN_TOOLS.sub("_", name or "")
    return plain[:MAX_TOOL] or None


def write_status(path: Path, status: BaseModel) -> bool:
    """Write a status file, whole or not at all.

    Returns:
        Whether it could be written; no failure is an error.
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
    """Tell that this process leads the run; returns whether that could be written."""
    return write_status(folder / _CONTROLLER, RunProcess.this())


def controller_alive(folder: Path, now: float) -> bool | None:
    """Whether the process that leads the run lives, or None when it has left no word of itself."""
    try:
        with _opened(folder) as opened:
            controller = _read(opened, _CONTROLLER, RunProcess.model_validate_json)
    except OSError:
        return None
    return None if controller is None else controller.alive(now)


def read_running(folder: Path, now: float) -> list[RunningAttempt]:
    """The attempts that run, those that began first at the top.

    Files of workers that were killed, and what is no status at all, are passed over.

    Args:
        folder: See `running_folder`; there need not be one.
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
    """Remove the folder of a run that is over, and what it shared if nothing else is in that."""
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
    """Open a folder of status files. Somebody else may have filled the results folder of a run that is resumed."""
    results, below = _parts(folder)
    with UntrustedFolder(results) as opened:
        return opened.folder(below)


def _parts(folder: Path) -> tuple[Path, str]:
    """The results folder, and where in it the status files are; see `running_folder`."""
    return folder.parents[2], "/".join(folder.parts[-3:])


def _read(folder: UntrustedFolder, name: str, parse: Callable[[bytes], _Status]) -> _Status | None:
    try:
        return parse(folder.read(name, MAX_FILE))
    except (OSError, ValidationError):
        return None
