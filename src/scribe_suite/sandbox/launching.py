"""Starts an agent's program with a restricted view and limits, and controls it until it ends."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from scribe_suite.errors import InfrastructureError
from scribe_suite.sandbox import fork_client
from scribe_suite.sandbox.cgroups import limiting_group
from scribe_suite.sandbox.plain_start import start_plain
from scribe_suite.sandbox.processes import ForkedProcess, SandboxedProcess
from scribe_suite.sandbox.program_view import landlock_rules, program_spec
from scribe_suite.sandbox.programs import HiddenPaths, ShownPaths
from scribe_suite.sandbox.requests import LIMITS, Execution, Places, Resources, process_request
from scribe_suite.sandbox.sandbox import fresh_uid
from scribe_suite.sandbox.tiers import IsolationTier
from scribe_suite.untrusted_files import UntrustedFolder

#: Seconds within which a program's sandbox must be ready.
START_S = 60.0
#: Largest environment, in bytes; it is sent in one message.
MAX_ENVIRONMENT = 100_000


@dataclass(frozen=True)
class ProgramLimits:
    """Resource limits of an agent's program and everything it starts.

    Attributes:
        memory_bytes: Limit for memory, including files in memory.
        processes: Limit for processes and threads.
        folder_bytes: Limit for its home and working folder together; where they are on disk, it is ended when it has
            written more.
        tmp_bytes: Limit for its ``/tmp``, where that is its own.
        shm_bytes: Limit for its ``/dev/shm``, where that is its own.
    """

    memory_bytes: int = 4 << 30
    processes: int = 512
    folder_bytes: int = 1 << 30
    tmp_bytes: int = 256 << 20
    shm_bytes: int = 64 << 20


PROGRAM_LIMITS = ProgramLimits()
#: Limit for open files of a program: the CLIs watch many.
OPEN_FILES = 4096


@dataclass(frozen=True)
class Order:
    """A program to start.

    Attributes:
        argv: Its command line; the first is an absolute path.
        environment: Its whole environment.
        folder: Folder of the harness that becomes the program's, with its content; home and working folder are inside.
        work: Its initial working folder.
        shown: What it needs from the host.
        hidden: What it must not see.
        sockets: Unix sockets it may connect to.
        limits: What it may use.
    """

    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    work: Path
    shown: ShownPaths = field(default_factory=ShownPaths)
    hidden: HiddenPaths = field(default_factory=HiddenPaths)
    sockets: tuple[Path, ...] = ()
    limits: ProgramLimits = field(default_factory=lambda: PROGRAM_LIMITS)


class Program:
    """A running program; a context manager.

    Args:
        tier: How it is isolated.
        order: The order that starts it.

    Attributes:
        tier: How it is isolated.
        limits: What it may use.
        stdin: Descriptor for writing, or None when it has been closed.
        stdout: Descriptor for reading.
        stderr: Descriptor for reading.
        process: The process; None only before it is started.
        running: False once it has been asked to end.

    Raises:
        InfrastructureError: With cause ``isolation_unavailable`` when it can't be shown what it needs,
            ``agent_sandbox`` when its sandbox does not become ready.
        OSError: When it can't be started.
    """

    def __init__(self, tier: IsolationTier, order: Order) -> None:
        self._server: fork_client.ForkServer | None = None
        self.tier, self.limits, self.running = tier, order.limits, True
        self.stdin: int | None
        theirs_in, self.stdin = os.pipe()
        self.stdout, theirs_out = os.pipe()
        self.stderr, theirs_err = os.pipe()
        self._open = [self.stdout, self.stderr]
        self.process: SandboxedProcess | None = None
        self._folder: UntrustedFolder | None = None
        try:
            if sum(map(len, (*order.environment, *order.environment.values()))) > MAX_ENVIRONMENT:
                raise InfrastructureError(
                    "agent_sandbox", f"The environment for {order.argv[0]} is longer than {MAX_ENVIRONMENT:,} bytes."
                )
            self._start(tier, order, {0: theirs_in, 1: theirs_out, 2: theirs_err})
        except BaseException:
            self.close()
            raise
        finally:
            for descriptor in (theirs_in, theirs_out, theirs_err):
                os.close(descriptor)

    def _start(self, tier: IsolationTier, order: Order, passed: Mapping[int, int]) -> None:
        limits = order.limits
        resources = Resources(
            {**LIMITS, "RLIMIT_NOFILE": OPEN_FILES}, limits.memory_bytes, limits.processes, limits.folder_bytes
        )
        if not fork_client.supported():
            self._folder = UntrustedFolder(order.folder)
            self.process = start_plain(order.argv, order.work, order.environment, resources.limits, passed)
            return
        uid = _user_id(order, tier)
        if uid is not None:
            _give_access(order, uid, tier)
        folder = str(order.folder)
        laid = {"source": folder, "place": folder, "size": limits.folder_bytes, "uid": uid}
        spec = program_spec(tier, uid, order.shown, order.hidden, order.sockets, laid, limits.tmp_bytes)
        self._server = fork_client.ForkServer(spec)
        tmpfs = {"/dev/shm": limits.shm_bytes}
        places = Places(
            on_disk=[folder],
            in_memory=["/tmp", *tmpfs, folder],
            tmpfs=tmpfs,
            opened=[folder],
            landlock=landlock_rules(order.shown, order.hidden, order.folder) if tier.landlock else None,
        )
        execution = Execution(order.environment, str(order.work), argv=order.argv)
        policy = tier.kind.program_filter
        request = process_request(tier, uid, execution, resources, places, policy=policy, network=True)
        group = limiting_group(tier.limits, limits.memory_bytes, limits.processes)
        process = self._server.spawn(request, passed, group)
        self.process = process
        self._folder = self._opened(process)

    def _opened(self, process: ForkedProcess) -> UntrustedFolder:
        """The program's folder, as soon as it exists; only then may the program start."""
        assert self._server is not None
        deadline = time.monotonic() + START_S
        while not (opened := process.take_opened()):
            code = process.poll()
            if code is not None or time.monotonic() > deadline:
                reason = process.printed() or self._server.last_words()
                raise InfrastructureError(
                    "agent_sandbox", f"The sandbox of the agent's program could not be made: {reason[-500:]}"
                )
            time.sleep(0.002)
        try:
            return UntrustedFolder(Path(f"/proc/self/fd/{opened[0]}"))
        finally:
            for descriptor in opened:
                os.close(descriptor)

    @property
    def folder(self) -> UntrustedFolder:
        """The order's folder, as the program sees it."""
        assert self._folder is not None
        return self._folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def end(self) -> None:
        """Kill it and everything it has started; its folder can still be read."""
        self.running = False
        if self.process is not None:
            self.process.close()
        if self._server is not None:
            self._server.close()

    def close(self) -> None:
        """End it, and release everything. May be called twice."""
        self.end()
        self.close_stdin()
        while self._open:
            os.close(self._open.pop())
        if self._folder is not None:
            self._folder.close()

    def close_stdin(self) -> None:
        """Close its stdin."""
        descriptor, self.stdin = self.stdin, None
        if descriptor is not None:
            os.close(descriptor)


def _user_id(order: Order, tier: IsolationTier) -> int | None:
    """A separate user id for the program, or None where none is available.

    Raises:
        InfrastructureError: With cause ``isolation_unavailable`` when another user may not run the program.
    """
    if not tier.own_uid:
        return None
    closed = [path for path in order.shown.programs if not _others_may_use(path, through=not tier.own_root)]
    if not closed:
        return fresh_uid()
    if not tier.own_root:
        return None  # then it has the harness's, which Landlock allows no more
    raise InfrastructureError(
        "isolation_unavailable",
        f"Agents' programs are run with a user id of their own here, which may not use {closed[0]}: allow it with "
        f"`chmod o+rX {closed[0]}`, or run the benchmark as its owner instead of as root.",
    )


def _others_may_use(path: Path, *, through: bool) -> bool:
    """Whether every user may access a file as its owner may; files in a view are always reachable."""
    try:
        mode = path.stat().st_mode
        ways = path.parents if through else ()
        readable = mode & stat.S_IROTH and (mode & stat.S_IXOTH or not mode & stat.S_IXUSR)
        return bool(readable) and all(way.stat().st_mode & stat.S_IXOTH for way in ways)
    except OSError:
        return False


def _give_access(order: Order, uid: int, tier: IsolationTier) -> None:
    """Give the program's user id access to its sockets, and to its folder unless that is copied for it."""
    for path in order.sockets:
        with contextlib.suppress(FileNotFoundError):
            os.chown(path, uid, uid)
            if not tier.own_root:
                path.parent.chmod(0o711)
    if not tier.own_root:
        for parent, _folders, files in os.walk(order.folder):
            for entry in (parent, *(os.path.join(parent, file) for file in files)):  # noqa: PTH118
                os.chown(entry, uid, uid, follow_symlinks=False)
