"""The harness's side of the fork-server: its process, its folder, and the processes that it starts."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scribe_suite.errors import InfrastructureError
from scribe_suite.sandbox.cgroups import Cgroup
from scribe_suite.sandbox.inside import fork_server, memory_file
from scribe_suite.sandbox.inside.supervisor import LOG_BYTES
from scribe_suite.sandbox.processes import ForkedProcess
from scribe_suite.sandbox.requests import ProcessRequest
from scribe_suite.sandbox.runtime_folders import RuntimeFolder

SCRIPT = Path(fork_server.__file__).resolve()
#: Seconds that a server may take to end when asked to.
END_S = 10.0
#: Seconds that sending a request may take: only a hanging server needs longer.
SEND_S = 30.0


@dataclass(frozen=True)
class ServerSpec:
    """Where a fork-server lives and what it imports; sent to it as JSON.

    Attributes:
        own_root: Whether it, and the processes it forks, have their own file system.
        passable: Whether other users must be able to pass through its folder to their own folders.
        user_namespace: Whether it needs a user namespace to be allowed to mount.
        python: The kernels' Python, as seen in the place where the server lives.
        environment: Its environment; every process it forks gets its own.
        preload: Modules to import besides those of a Jupyter kernel, or None to import nothing and only execute
            commands.
        shared: Further modules to create: name, source, and the path of its folder as its global ``FOLDER``.
        read_only: Host paths and the places where they are shown.
        texts: Files by place.
        links: Symbolic links by place.
        devices: Visible device files besides those that every process needs.
        memory: Places of file systems in memory, with their bytes; by default one for the server itself.
        covered: Visible places that must look empty.
        inner: As `read_only`, but also where something is covered.
        emptied: Places that must look empty in all of these.
        laid: Host folders that are copied into memory: ``source``, ``place``, ``size``, ``uid``.
        stage: Host folder on which its root is built.
        slots: Host folder with the folders of its processes.
    """

    own_root: bool
    passable: bool
    user_namespace: bool
    python: str
    environment: Mapping[str, str]
    preload: tuple[str, ...] | None
    shared: Sequence[tuple[str, str, str]] = ()
    read_only: Sequence[tuple[str, str]] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    devices: Sequence[str] = ()
    memory: Mapping[str, int] = field(default_factory=lambda: {"/tmp": 64 << 20})
    covered: Sequence[str] = ()
    inner: Sequence[tuple[str, str]] = ()
    emptied: Sequence[str] = ()
    laid: Sequence[Mapping[str, Any]] = ()
    stage: str = ""
    slots: str = ""


def supported() -> bool:
    """Whether a Python with many imports can be forked safely: on macOS, system libraries forbid it."""
    return sys.platform == "linux"


class ForkServer:
    """A running fork-server. Safe to use from several threads.

    Args:
        spec: Its specification; its folders are filled in here.

    Attributes:
        slots: Host folder for the folders of its processes.
    """

    def __init__(self, spec: ServerSpec) -> None:
        self._folder = RuntimeFolder(passable=spec.passable)
        self.slots = self._folder.path / "slots"
        self.log = self._folder.path / "log"
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._asked = False
        self._own_root = spec.own_root
        stage = self._folder.path / "stage"
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        mine.settimeout(SEND_S)
        self._control = mine
        try:
            stage.mkdir(mode=0o700)
            self.slots.mkdir(mode=0o711)
            with self.log.open("ab") as sink:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(SCRIPT)],
                    stdin=theirs.fileno(),
                    stdout=sink,
                    stderr=sink,
                    env=dict(spec.environment),
                    cwd="/",
                    start_new_session=True,
                )
            complete = {**asdict(spec), "stage": str(stage), "slots": str(self.slots)}
            mine.send(json.dumps(complete).encode())
        except BaseException:
            mine.close()
            self._folder.remove()
            raise
        finally:
            theirs.close()

    @property
    def alive(self) -> bool:
        """Whether it is running or still importing."""
        return self._process.poll() is None

    def new_folder(self, prefix: str) -> Path:
        """A new folder below `slots` that other users can pass through, with a name that was never used."""
        folder = self.slots / f"{prefix}{next(self._numbers)}"
        folder.mkdir(mode=0o711)
        return folder

    def spawn(
        self, request: ProcessRequest, passed: Mapping[int, int] | None = None, cgroup: Cgroup | None = None
    ) -> ForkedProcess:
        """Request a process; returns at once, even while the server is still importing.

        Args:
            request: The request.
            passed: Descriptors for the process, by their number there. The end of its output is kept if they include no
                place for it.
            cgroup: Its control group.

        Raises:
            InfrastructureError: With cause ``fork_server`` when the server is gone.
            OSError: When there is not enough memory or no free descriptor.
        """
        passed = passed or {}
        log = memory_file.create(LOG_BYTES)
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            message = json.dumps({"op": "spawn", **request.as_message(), "descriptors": list(passed)}).encode()
            try:
                with self._lock:
                    self._asked = True
                    descriptors = [theirs.fileno(), log.fileno(), *passed.values()]
                    socket.send_fds(self._control, [message], descriptors)
            except OSError as error:
                mine.close()
                log.close()
                raise InfrastructureError("fork_server", self.last_words()) from error
        return ForkedProcess(mine, cgroup, log)

    def release(self, home: Path) -> None:
        """Release the in-memory file systems of a folder made by `new_folder`."""
        with self._lock, contextlib.suppress(OSError):
            self._control.send(json.dumps({"op": "release", "home": home.name}).encode())

    def last_words(self) -> str:
        """Why the server is gone, in a sentence."""
        with contextlib.suppress(OSError):
            lines = self.log.read_text(errors="replace").strip().splitlines()
            if lines:
                return f"The fork-server of the kernels ended: {lines[-1][:500]}"
        return "The fork-server of the kernels ended."

    def close(self) -> None:
        """End it and all its processes, and remove its folder. May be called twice."""
        self._control.close()
        if self._owner != os.getpid():
            return  # a fork of the harness must not end what is the harness's
        if self._own_root or not self._asked:
            # it may still be importing, and has nothing to clean up: its processes and their namespaces end with it
            self._process.kill()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_S)
        self._folder.remove()


_shared_lock = threading.Lock()


def shared_server(spec: ServerSpec) -> ForkServer:
    """This process's server for a specification; started unless one is running.

    Raises:
        OSError: When it can't be started.
    """
    with _shared_lock:
        key = json.dumps(asdict(spec), sort_keys=True)
        server = _servers.get(key)
        if server is None or not server.alive:
            if server is not None:
                server.close()
            server = _servers[key] = ForkServer(spec)
        return server


_servers: dict[str, ForkServer] = {}


@atexit.register
def close_shared_servers() -> None:
    """End all shared servers and everything they have forked."""
    with _shared_lock:
        while _servers:
            _servers.popitem()[1].close()
