"""The fork-server: one process with everything imported, from which sandboxed processes are forked in milliseconds.

Usage: ``python -I -S fork_server.py``, with a SOCK_SEQPACKET socket as stdin. The first message is the
`scribe_suite.sandbox.fork_client.ServerSpec` as JSON; it decides where the server itself lives. With ``own_root`` that
is a mount namespace whose root contains only Python: the server can't read what its forked processes must not see, and
has none of it in memory. Then it executes itself with the kernels' Python, imports what the specification names, and
serves:

``{"op": "spawn", ...}`` with descriptors, a channel, a log and what the process is to have: fork it (`supervisor`)
``{"op": "release", "home": "n1"}``: give the file systems of a home back
end of the socket: end, and with it everything that was forked

It has one thread, no event loop, no ZMQ context, and never computes anything with torch: a child inherits all of its
memory but none of its threads. Standard library only, but for what it is to import.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).parent
FIRST, SECOND = 0, 3
#: The name in lists of processes.
TITLE = "scribe fork-server"
#: Limits of one message: bytes and descriptors.
MAX_MESSAGE, MAX_DESCRIPTORS = 1 << 17, 32


def begin() -> None:
    """Enter the server's environment, and execute the kernels' Python there."""
    spec = json.loads(socket.socket(fileno=os.dup(FIRST)).recv(MAX_MESSAGE))
    os.dup2(FIRST, SECOND)
    scripts = str(HERE)
    if spec["own_root"]:
        from scribe_suite.sandbox.inside import linux, view

        flags = linux.CLONE_NEWNS
        if spec["user_namespace"]:
            linux.unshare(flags | linux.CLONE_NEWUSER, "unshare with a user namespace")
            linux.map_own_user(1000)
        else:
            linux.unshare(flags, "unshare")
        view.build_root({**spec, "scripts": scripts})
        scripts = f"{view.SCRIPTS}/{view.PACKAGE}"
        if spec["user_namespace"]:
            linux.keep_capabilities_over_exec()
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, FIRST)
    settings = {"modules": spec["preload"], "shared": spec["shared"], "own_root": spec["own_root"]}
    bare = ["-I", "-S"] if spec["preload"] is None else []  # whoever imports nothing needs no environment
    arguments = [spec["python"], *bare, f"{scripts}/fork_server.py", "--serve", json.dumps(settings)]
    os.execve(spec["python"], arguments, spec["environment"])


def serve(settings: Mapping[str, Any]) -> None:
    """Import, then fork a process for every request until the harness is gone.

    Args:
        settings: ``modules`` to import (None: nothing at all), ``shared`` modules to make, and ``own_root``, as in the
            specification.
    """
    from scribe_suite.sandbox.inside import jupyter_kernel, linux, supervisor, usage, view

    linux.set_command_line(TITLE)  # kernels are forks: the original command line would reveal how they are sealed
    sys.orig_argv[:] = sys.argv[:] = sys.orig_argv[:1]
    control = socket.socket(fileno=SECOND)
    if settings["modules"] is not None:
        for problem in jupyter_kernel.preload(settings["modules"], settings["shared"]):
            print(f"fork-server: {problem}", file=sys.stderr, flush=True)  # noqa: T201
    memory = view.MemoryFolders()
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    waking, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    server = os.getpid()
    sources: list[Any] = [control, waking]
    if not settings["own_root"] and sys.platform == "linux":
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)  # else survivors of a killed supervisor are not reaped
    while True:
        _reap()
        readable = select.select(sources, [], [])[0]
        if waking in readable:
            os.read(waking, 512)
        if control not in readable:
            continue
        data, descriptors = _received(control)
        if not data:
            if not settings["own_root"]:
                usage.kill_descendants()
            os._exit(0)  # what was forked is killed by its parent-death signal
        request = json.loads(data)
        if request["op"] == "spawn":
            if "startup" in (request["kernel"] or {}):
                jupyter_kernel.compiled(request["kernel"])  # not run here: that would be the kernel's own affair
            _spawn(request, descriptors, memory, control, supervisor.supervise, server)
        else:
            memory.release(request["home"])
        for descriptor in descriptors:
            os.close(descriptor)


def _received(control: socket.socket) -> tuple[bytes, list[int]]:
    try:
        data, descriptors, _flags, _address = socket.recv_fds(control, MAX_MESSAGE, MAX_DESCRIPTORS)
    except ConnectionError:
        return b"", []
    return data, descriptors


def _spawn(
    request: Mapping[str, Any], descriptors: list[int], memory: Any, control: socket.socket, supervise: Any, server: int
) -> None:
    from scribe_suite.sandbox.inside import memory_file

    channel, log, *passed = descriptors
    try:
        for folder in request["folders"]:
            memory.prepare(folder)
        pid = os.fork()
    except Exception as error:
        memory_file.write(log, f"sandbox: {type(error).__name__}: {error}\n".encode("utf-8", "replace")[:1000])
        return  # the harness sees its channel end
    if pid == 0:
        signal.set_wakeup_fd(-1)
        control.close()
        supervise(request, socket.socket(fileno=channel), log, passed, server)


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _find_own_modules() -> None:
    """Make ``scribe_suite.sandbox.inside`` importable from this file's folder, wherever else the package may be.

    No folder is added to the path for that: processes forked from here keep their path, and in an installation the
    package's folder is that of all packages.
    """
    for name, folder in (("scribe_suite", HERE.parents[1]), ("scribe_suite.sandbox", HERE.parent)):
        package = sys.modules[name] = ModuleType(name)
        package.__path__ = [str(folder)]


if __name__ == "__main__":
    _find_own_modules()
    if sys.argv[1:2] == ["--serve"]:
        serve(json.loads(sys.argv[2]))
    else:
        try:
            begin()
        except OSError as error:
            os.write(2, f"sandbox: {type(error).__name__}: {error}\n".encode("utf-8", "replace"))
            sys.exit(1)
