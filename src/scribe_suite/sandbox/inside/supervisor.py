"""One sandboxed process and the two that look after it. Standard library only; forked from the fork-server.

``outer``   in the host's PID namespace; talks to the harness over a channel, and ends everything when that closes.
``init``    (tier ``namespaces``) PID 1 inside; lays the private places, drops every privilege, reaps orphans.
``inner``   what is to run: a Jupyter kernel in this very process, or a command. When it ends, everything ends.

Messages from the harness: ``go`` (the process may start: it is in its control group by now), ``interrupt``; the end of
the channel is the order to kill. Messages to it, as JSON: ``{"pid": 7}`` first, ``{"exit": 0, "reason": ""}`` last.

The order matters: mounts need capabilities, setuid clears the parent-death signal, and exec makes a process dumpable
(readable through ``/proc``) again, which init must not be.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from scribe_suite.sandbox.inside import landlock, linux, seccomp, view

#: Exit code of a process that could not be started.
NOT_STARTED = 125
#: Seconds between two looks at how much memory the sandbox uses.
MEMORY_POLL_S = 0.5
OUT_OF_MEMORY = "memory"


def supervise(request: Mapping[str, Any], channel: socket.socket, log: int, server: int) -> None:
    """Be outer, from the fork to the end; never returns.

    Args:
        request: What to run and how; see `scribe_suite.sandbox.sandbox`.
        channel: To the harness.
        log: File descriptor for stdout and stderr of everything inside.
        server: PID of the fork-server.
    """
    code, reason = NOT_STARTED, ""
    try:
        linux.die_with_parent(server)
        os.setsid()
        os.dup2(log, 2)
        channel.send(json.dumps({"pid": os.getpid()}).encode())
        if channel.recv(64) == b"go":
            code, reason = _run_inside(request, channel, log)
    except BaseException as error:
        _complain(error)
    with suppress(OSError):
        channel.send(json.dumps({"exit": code, "reason": reason}).encode())
    os._exit(0)


def _complain(error: BaseException) -> None:
    os.write(2, f"sandbox: {type(error).__name__}: {error}\n".encode("utf-8", "replace"))


def _run_inside(request: Mapping[str, Any], channel: socket.socket, log: int) -> tuple[int, str]:
    """Start what is to run, pass interrupts on, kill it when the channel ends; its exit code and why it was ended."""
    isolated = request["tier"] == "namespaces"
    if isolated:
        flags = linux.CLONE_NEWNS | linux.CLONE_NEWUTS | linux.CLONE_NEWIPC | linux.CLONE_NEWPID | linux.CLONE_NEWNET
        if request["user_namespace"]:  # one for each process, so that the limit on processes counts only its own
            linux.unshare(flags | linux.CLONE_NEWUSER, "unshare with a user namespace")
            linux.map_own_user(1000)
        else:
            linux.unshare(flags, "unshare")
    elif sys.platform == "linux":
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        mine.close()
        channel.close()
        _guarded(_be_init if isolated else _be_inner, request, theirs, log)
    theirs.close()
    status = _watch(child, channel, request, group=not isolated)
    reason = mine.recv(64).decode() if select.select([mine], [], [], 0)[0] else ""
    if not isolated:
        reason = reason or status[1]
        kill_descendants()
    return exit_code(status[0]), reason


def _watch(child: int, channel: socket.socket, request: Mapping[str, Any], group: bool) -> tuple[int, str]:
    """Wait for the child; its wait status, and why this function ended it."""
    waking, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    reason, listening, memory = "", True, request["memory"] if group else None
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid == child:
            return status, reason
        timeout = MEMORY_POLL_S if memory else None
        sources: list[Any] = [waking, channel] if listening else [waking]
        readable = select.select(sources, [], [], timeout)[0]
        if waking in readable:
            os.read(waking, 512)
        if channel in readable:
            message = _received(channel)
            if message == b"interrupt":
                with suppress(OSError):
                    (os.killpg if group else os.kill)(child, signal.SIGINT)
            elif not message:
                listening = False
                with suppress(OSError):
                    os.kill(child, signal.SIGKILL)
        if memory and uses_too_much(descendants(os.getpid()), memory):
            reason = OUT_OF_MEMORY
            for pid in descendants(os.getpid()):
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)


def _received(channel: socket.socket) -> bytes:
    try:
        return channel.recv(64)
    except OSError:
        return b""


def _be_init(request: Mapping[str, Any], outer: socket.socket, log: int) -> None:
    """PID 1 of the sandbox: prepare it, drop all rights, start the process, reap until that ends; never returns."""
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    view.lay_private_places(request)
    linux.raise_loopback()
    linux.check(linux.libc.sethostname(b"notebook", 8), "sethostname")
    linux.drop_privileges(request["uid"])
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)  # setuid has cleared it
    if select.select([outer], [], [], 0)[0]:
        os._exit(1)  # outer went in between: its end of the pair is closed
    watched = {signal.SIGCHLD, signal.SIGINT}
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # an ignored signal can't be waited for
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    inner = os.fork()
    if inner == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, watched)
        _guarded(_be_inner, request, outer, log)
    memory, next_look = request["memory"], time.monotonic()
    while True:
        code = _reaped(inner)
        if code is not None:
            os._exit(code)
        arrived = signal.sigtimedwait(watched, MEMORY_POLL_S if memory else 3600)
        if arrived is not None and arrived.si_signo == signal.SIGINT:
            with suppress(OSError):
                os.killpg(inner, signal.SIGINT)
        if memory and time.monotonic() >= next_look:
            next_look = time.monotonic() + MEMORY_POLL_S
            if uses_too_much(_all_but_this(), memory):
                outer.send(OUT_OF_MEMORY.encode())
                os.kill(-1, signal.SIGKILL)  # everything in this namespace but init


def _reaped(inner: int) -> int | None:
    """Reap what has ended; the exit code of `inner` when it is among them."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 1
        if pid == 0:
            return None
        if pid == inner:
            return exit_code(status)


def _be_inner(request: Mapping[str, Any], outer: socket.socket, log: int) -> None:
    """Become what is to run; never returns."""
    outer.close()
    if request["tier"] != "namespaces" and sys.platform == "linux":
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()
    _reset_signals()
    apply_limits(request["limits"])
    os.umask(0o077)
    null = os.open("/dev/null", os.O_RDONLY)
    for number, descriptor in enumerate((null, log, log)):
        os.dup2(descriptor, number)
    os.closerange(3, 65536)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    if request["tier"] == "landlock":
        linux.drop_privileges(request["uid"])
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    elif request["tier"] == "namespaces" and request["kernel"] is not None:
        linux.prctl(linux.PR_SET_DUMPABLE, 1)  # as an exec would: a kernel may look at itself in /proc
    if request["landlock"]:
        landlock.restrict(request["landlock"]["read_only"], request["landlock"]["writable"])
    if request["seccomp"]:
        seccomp.install(request["seccomp"])
    if request["kernel"] is None:
        os.execv(request["argv"][0], request["argv"])
    _run_kernel(request["kernel"])


def _run_kernel(arguments: Sequence[str]) -> None:
    import tempfile

    from scribe_suite.sandbox.inside import jupyter_kernel

    tempfile.tempdir = None  # the fork-server's is not this process's
    sys.path[:] = [place for place in sys.path if place not in (str(Path(__file__).parents[3]), view.SCRIPTS)]
    for name in [name for name in sys.modules if name.partition(".")[0] == "scribe_suite"]:
        del sys.modules[name]  # a kernel has what it would have if it had been started by itself
    try:
        jupyter_kernel.run(arguments)
    except SystemExit as ending:
        os._exit(ending.code if isinstance(ending.code, int) else int(ending.code is not None))
    os._exit(0)


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # as in every Python process
        signal.signal(number, signal.SIG_IGN)


def apply_limits(limits: Mapping[str, int]) -> None:
    """Set resource limits, never above what is allowed already.

    Args:
        limits: Names of the `resource` module and their values.
    """
    for name, value in limits.items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def exit_code(status: int) -> int:
    """Wait status as an exit code, with the shell's 128 + N for a signal N."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _guarded(function: Callable[..., None], *arguments: Any) -> None:
    """Run a function that must not return; say in one line what stopped it."""
    try:
        function(*arguments)
    except BaseException as error:
        _complain(error)
    os._exit(NOT_STARTED)


# -- processes and their memory ------------------------------------------------------------------------------------


def _all_but_this() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]  # noqa: PTH208


def descendants(root: int) -> list[int]:
    """Processes that descend from `root`, as ``/proc`` tells; empty where there is none."""
    parents: dict[int, int] = {}
    with suppress(OSError):
        for pid in _all_but_this():
            with suppress(OSError, ValueError, IndexError):
                # the name in parentheses may hold anything, spaces and parentheses too
                parents[pid] = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    found: list[int] = []
    seek = {root}
    while seek:
        seek = {pid for pid, parent in parents.items() if parent in seek}
        found += seek
    return found


def uses_too_much(pids: Sequence[int], limit: int) -> bool:
    """Whether processes use more memory than `limit` bytes together.

    The cheap number is looked at first: anonymous and shared memory of each, in which what forks share counts once for
    each of them. Only where that is too much, every page is shared out among those who have it, which takes longer.
    """
    if _sum_fields(pids, "status", ("RssAnon", "RssShmem")) <= limit:
        return False
    return _sum_fields(pids, "smaps_rollup", ("Pss_Anon", "Pss_Shmem")) > limit


def _sum_fields(pids: Sequence[int], file: str, names: Sequence[str]) -> int:
    """Sum of fields in kB of a file in ``/proc`` over processes, in bytes; one that is gone has none."""
    total = 0
    for pid in pids:
        with suppress(OSError, ValueError):
            lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
            fields = dict(line.split(":", 1) for line in lines if ":" in line)
            total += sum(int(fields[name].split()[0]) for name in names if name in fields) << 10
    return total


def kill_descendants() -> None:
    """Kill what the process has left behind: this process is the reaper of all of them."""
    for _ in range(100):
        left = descendants(os.getpid())
        if not left:
            break
        for pid in left:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)
