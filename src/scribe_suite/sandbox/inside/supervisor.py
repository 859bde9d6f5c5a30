"""One sandboxed process and its two supervisors. Standard library only; forked from the fork-server.

``outer``   in the host's PID namespace; talks to the harness over a channel, keeps the end of what is printed, and ends
            everything when the channel closes.
``init``    (with ``own_root``) PID 1 inside; lays the private places, drops every privilege, reaps orphans.
``inner``   what is to run: a Jupyter kernel or a program in this very process, or a command. When it ends, everything
            ends.

Messages from the harness: ``go`` (the process may start: it is in its control group by now), ``interrupt``; the end of
the channel is the order to kill. Messages to it, as JSON: ``{"pid": 7}`` first, with descriptors of the folders that it
has asked for, ``{"exit": 0, "reason": ""}`` last.

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
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from scribe_suite.sandbox.inside import descriptors, landlock, linux, memory_file, seccomp, view
from scribe_suite.sandbox.inside.usage import Watch, all_but_this, descendants, kill_descendants

#: Exit code of a process that could not be started.
NOT_STARTED = 125
#: How many bytes from the end of a process's output are kept if nothing else reads it.
LOG_BYTES = 1 << 16


def supervise(request: dict[str, Any], channel: socket.socket, log: int, passed: Sequence[int], server: int) -> None:
    """Run as ``outer``, from the fork to the end; never returns.

    Args:
        request: What to run and how; see `scribe_suite.sandbox.requests`.
        channel: The channel to the harness.
        log: A `memory_file` for the end of the output inside.
        passed: Descriptors for the process; ``request["descriptors"]`` has their numbers there, in the same order.
        server: PID of the fork-server.
    """
    code, reason = NOT_STARTED, ""
    tail = memory_file.Tail(log, LOG_BYTES)
    try:
        linux.die_with_parent(server)
        linux.set_command_line("scribe supervisor")
        os.setsid()
        _send_first(channel, request["opened"])
        if channel.recv(64) == b"go":
            code, reason = _run_inside(request, channel, tail, passed)
    except BaseException as error:
        tail.add(_complaint(error))
    with suppress(OSError):
        channel.send(json.dumps({"exit": code, "reason": reason}).encode())
    os._exit(0)


def _send_first(channel: socket.socket, opened: Sequence[str]) -> None:
    """Send the PID, and descriptors of folders that nothing has used yet."""
    folders = [os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW) for path in opened]
    socket.send_fds(channel, [json.dumps({"pid": os.getpid()}).encode()], folders)
    for folder in folders:
        os.close(folder)


def _complaint(error: BaseException) -> bytes:
    return f"sandbox: {type(error).__name__}: {error}\n".encode("utf-8", "replace")


def _run_inside(
    request: dict[str, Any], channel: socket.socket, tail: memory_file.Tail, passed: Sequence[int]
) -> tuple[int, str]:
    """Start the process, pass on interrupts, kill it when the channel closes; returns exit code and reason."""
    isolated = request["own_root"]
    if isolated:
        flags = linux.CLONE_NEWNS | linux.CLONE_NEWUTS | linux.CLONE_NEWIPC | linux.CLONE_NEWPID
        if not request["network"]:
            flags |= linux.CLONE_NEWNET
        if request["user_namespace"]:  # one for each process, so that the limit on processes counts only its own
            linux.unshare(flags | linux.CLONE_NEWUSER, "unshare with a user namespace")
            linux.map_own_user(1000)
        else:
            linux.unshare(flags, "unshare")
    elif sys.platform == "linux":
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    printed, printing = os.pipe()
    wanted = {1: printing, 2: printing, **dict(zip(request["descriptors"], passed, strict=True))}
    child = os.fork()
    if child == 0:
        mine.close()
        channel.close()
        os.close(printed)
        _guarded(_be_init if isolated else _be_inner, request, theirs, wanted)
    for descriptor in (theirs.detach(), printing, *passed):
        os.close(descriptor)
    os.set_blocking(printed, False)
    status, reason = _watch(child, channel, request, printed, tail, group=not isolated)
    exceeded = mine.recv(64).decode() if select.select([mine], [], [], 0)[0] else ""
    if not isolated:
        kill_descendants()
    while tail.take(printed) and select.select([printed], [], [], 0)[0]:
        pass  # what the pipe still holds
    return exit_code(status), exceeded or reason


def _watch(
    child: int, channel: socket.socket, request: Mapping[str, Any], printed: int, tail: memory_file.Tail, group: bool
) -> tuple[int, str]:
    """Wait for the child; returns its wait status, and why this function ended it."""
    waking, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    # with namespaces, init watches
    limits = Watch()
    if group:
        limits = Watch(request["memory"], request["processes"], disk=request["disk"], on_disk=request["on_disk"])
    reason, sources = "", [waking, channel.fileno(), printed]
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid == child:
            return status, reason
        readable = select.select(sources, [], [], limits.wait_s)[0]
        if waking in readable:
            os.read(waking, 512)
        if printed in readable and not tail.take(printed):
            sources.remove(printed)
        if channel.fileno() in readable:
            message = _received(channel)
            if message == b"interrupt":
                with suppress(OSError):
                    (os.killpg if group else os.kill)(child, signal.SIGINT)
            elif not message:
                sources.remove(channel.fileno())
                with suppress(OSError):
                    os.kill(child, signal.SIGKILL)
        exceeded = limits.exceeded(lambda: descendants(os.getpid()))
        if exceeded:
            reason = exceeded
            for pid in descendants(os.getpid()):
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)


def _received(channel: socket.socket) -> bytes:
    try:
        return channel.recv(64)
    except OSError:
        return b""


def _be_init(request: dict[str, Any], outer: socket.socket, wanted: Mapping[int, int]) -> None:
    """Run as the sandbox's PID 1: prepare it, drop all rights, start the process, reap until it ends; never returns."""
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    view.lay_private_places(request)
    if not request["network"]:
        linux.raise_loopback()
    linux.check(linux.libc.sethostname(b"notebook", 8), "sethostname")
    linux.set_command_line("init")
    linux.drop_privileges(request["uid"])
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)  # setuid has cleared it
    if select.select([outer], [], [], 0)[0]:
        os._exit(1)  # outer went in between: its end of the pair is closed
    watched = {signal.SIGCHLD, signal.SIGINT}
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # an ignored signal can't be waited for
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    limits = Watch(request["memory"], request["processes"], request["in_memory"])
    inner = os.fork()
    if inner == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, watched)
        _guarded(_be_inner, request, outer, wanted)
    for descriptor in set(wanted.values()):
        os.close(descriptor)  # whoever reads the other end must see when the last one inside is gone
    while True:
        code = _reaped(inner)
        if code is not None:
            os._exit(code)
        arrived = signal.sigtimedwait(watched, limits.wait_s)
        if arrived is not None and arrived.si_signo == signal.SIGINT:
            with suppress(OSError):
                os.killpg(inner, signal.SIGINT)
        exceeded = limits.exceeded(all_but_this)
        if exceeded:
            with suppress(OSError):
                outer.send(exceeded.encode(), socket.MSG_DONTWAIT)
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


def _be_inner(request: dict[str, Any], outer: socket.socket, wanted: Mapping[int, int]) -> None:
    """Become the sandboxed process; never returns."""
    outer.close()
    if not request["own_root"] and sys.platform == "linux":
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()
    _reset_signals()
    descriptors.keep_only(wanted)
    apply_limits(request["limits"])
    os.umask(0o077)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    if request["landlock"]:
        linux.drop_privileges(request["uid"])
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    elif request["own_root"] and request["kernel"] is not None:
        linux.prctl(linux.PR_SET_DUMPABLE, 1)  # as an exec would: a kernel may look at itself in /proc
    if request["landlock"]:
        rules = request["landlock"]
        landlock.restrict(rules["read_only"], rules["writable"], request["network"], rules["hidden"])
    elif request["network"] and request["own_root"]:
        landlock.stay_among_themselves()  # abstract sockets belong to the network
    if request["seccomp"]:
        seccomp.install(request["seccomp"])
    if request["kernel"] is None:
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # what is ignored stays so over an exec
            signal.signal(number, signal.SIG_DFL)
        os.execve(request["argv"][0], request["argv"], request["environment"])
    kernel = request["kernel"]
    linux.set_command_line("python" if "code" in kernel else "ipykernel_launcher")
    request.clear()  # a kernel can walk up the stack to here
    _run_forked(kernel)


def _run_forked(launch: Mapping[str, Any]) -> None:
    """Run as a kernel, or as a program if there is ``code``, with the fork-server's imports."""
    import tempfile

    from scribe_suite.sandbox.inside import jupyter_kernel

    tempfile.tempdir = None  # the fork-server's is not this process's
    for name in [name for name in sys.modules if name.partition(".")[0] == "scribe_suite"]:
        del sys.modules[name]  # a kernel has the same modules as one that was started separately
    try:
        if "code" in launch:
            sys.argv[:] = ["-c", *launch["arguments"]]
            exec(compile(launch["code"], "<string>", "exec"), {"__name__": "__main__"})
        else:
            jupyter_kernel.run(launch)
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
    """Set resource limits, never above the current ones.

    Args:
        limits: Names of the `resource` module and their values.
    """
    for name, value in limits.items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        if name == "RLIMIT_CORE":
            with suppress(OSError, ValueError):  # here more is less, and root may
                resource.setrlimit(kind, (value, value))
                continue
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def exit_code(status: int) -> int:
    """Wait status as an exit code, with the shell's 128 + N for a signal N."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _guarded(function: Callable[..., None], request: dict[str, Any], outer: socket.socket, wanted: Any) -> None:
    """Run a function that must not return; report in one line what stopped it."""
    try:
        function(request, outer, wanted)
    except BaseException as error:
        # if a process has its own stderr, 2 is that already or the fork-server's
        for descriptor in (wanted[2], 2):
            with suppress(OSError):
                os.write(descriptor, _complaint(error))
                break
    os._exit(NOT_STARTED)
