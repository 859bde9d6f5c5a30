"""Starts one kernel process, isolated or not. Standard library only: it runs as a script, outside any environment.

Usage: ``python -I -S launcher.py < specification.json``; the specification is
`scribe_suite.notebook.sandbox.LaunchSpec` as JSON, the environment of the process is the kernel's. With
``namespaces`` false only the limits are applied.

Three processes share the work, because a PID namespace begins with a child and needs an init that reaps:

``outer``  in the host's PID namespace; forwards SIGINT and exits as the kernel did. Killing it kills everything.
``init``   PID 1 inside; builds the root file system, drops every privilege, reaps orphans, forwards SIGINT.
``kernel`` executes the command. When it ends, init ends, and the system kills whatever else runs inside.

The order matters: mounts need capabilities, setuid clears the parent-death signal, and exec makes a process dumpable
(readable through ``/proc``) again, which init must not be.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
SYS_MOUNT_SETATTR = 442  # the same number on every architecture
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
CAPABILITY_VERSION_3 = 0x20080522
SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40
#: Settings of the whole machine. A harness that is root in a user namespace of its own still owns these files.
HOST_SETTINGS = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/acpi", "/proc/scsi")
DEVICES = ("null", "zero", "full", "random", "urandom")

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    """Raise the C library's error for a call that returned one."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def prctl(option: int, value: int) -> None:
    """One prctl call with one argument."""
    check(libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl {option}")


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """The mount system call."""
    arguments = [text.encode() if text is not None else None for text in (source, target, kind)]
    check(libc.mount(*arguments, ctypes.c_ulong(flags), data.encode()), f"mount {target}")


def bind(source: str, target: Path, writable: bool) -> None:
    """Bind a file or a folder, without setuid, and read-only with everything mounted below it unless writable.

    Device files keep working; everywhere else devices are dead.
    """
    if Path(source).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    place = str(target)
    mount(source, place, None, MS_BIND | MS_REC)
    flags = MS_NOSUID | (0 if source.startswith("/dev/") else MS_NODEV) | (0 if writable else MS_RDONLY)
    attributes = struct.pack("QQQQ", flags, 0, 0, 0)  # MOUNT_ATTR_* and MS_* agree on these three bits
    if libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, place.encode(), AT_RECURSIVE, attributes, len(attributes)) != 0:
        # Linux before 5.12: the top mount only; flags already there are locked and must be repeated.
        locked = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME
        mount("none", place, None, MS_BIND | MS_REMOUNT | flags | os.statvfs(place).f_flag & locked)


def cover(place: Path) -> None:
    """Lay an empty folder over one that nobody inside may see; nothing that is not there can be covered."""
    if place.exists():
        mount("tmpfs", str(place), "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=555")


def build_root(spec: dict[str, Any]) -> None:
    """Make a minimal root file system in this mount namespace and move into it."""
    root = Path(spec["stage"])

    def inside(path: str) -> Path:
        return root / path.lstrip("/")

    mount("none", "/", None, MS_REC | MS_PRIVATE)
    mount("tmpfs", str(root), "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    for folder, size in spec["tmpfs"].items():
        inside(folder).mkdir(parents=True)
        options = f"size={size},mode=1777,nr_inodes=50000"
        mount("tmpfs", str(inside(folder)), "tmpfs", MS_NOSUID | MS_NODEV, options)
    for source, target in spec["read_only"]:
        bind(source, inside(target), writable=False)
    for place in spec["masks"]:
        cover(inside(place))
    for name, text in spec["texts"].items():
        inside(name).parent.mkdir(parents=True, exist_ok=True)
        inside(name).write_text(text)
    for name, destination in spec["links"].items():
        inside(name).symlink_to(destination)
    build_devices(inside("/dev"))
    inside("/proc").mkdir()
    mount("proc", str(inside("/proc")), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for name in HOST_SETTINGS:
        if inside(name).exists():
            bind(str(inside(name)), inside(name), writable=False)
    for source, target in spec["writable"]:
        bind(source, inside(target), writable=True)
    old = inside("/.old")
    old.mkdir()
    check(libc.pivot_root(str(root).encode(), str(old).encode()), "pivot_root")
    os.chdir("/")
    check(libc.umount2(b"/.old", MNT_DETACH), "umount of the old root")
    Path("/.old").rmdir()
    mount("none", "/", None, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV)


def build_devices(dev: Path) -> None:
    """The devices a program expects, and pseudo-terminals, without which ``!command`` fails in IPython."""
    for device in DEVICES:
        bind(f"/dev/{device}", dev / device, writable=True)
    for link, place in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        (dev / link).symlink_to(f"/proc/self/fd{place}")
    (dev / "pts").mkdir()
    mount("devpts", str(dev / "pts"), "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    (dev / "ptmx").symlink_to("pts/ptmx")


def raise_loopback() -> None:
    """Bring ``lo`` up: ipykernel binds a TCP port even when it talks over unix sockets."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        fcntl.ioctl(probe, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP | IFF_RUNNING))


def drop_privileges(uid: int | None) -> None:
    """Give up the bounding set, the user id (when there is another to take) and all capabilities, for good."""
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0)  # fails past the last one
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
    check(libc.capset(header, struct.pack("6I", *[0] * 6)), "capset")
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def enter_namespaces(uid: int | None) -> None:
    """Leave the host's namespaces; without a uid to change to, inside a user namespace of our own."""
    flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET
    if uid is not None:
        check(libc.unshare(flags), "unshare")
        return
    user, group = os.geteuid(), os.getegid()
    check(libc.unshare(flags | CLONE_NEWUSER), "unshare with a user namespace")
    for name, text in (("setgroups", "deny"), ("uid_map", f"1000 {user} 1"), ("gid_map", f"1000 {group} 1")):
        Path(f"/proc/self/{name}").write_text(text)


def die_with_parent(parent: int) -> None:
    """Be killed when the parent goes, also when it went just before this call."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def apply_limits(limits: dict[str, int]) -> None:
    """Set resource limits, never above what is allowed already."""
    for name, value in limits.items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def become_kernel(spec: dict[str, Any]) -> None:
    """Apply the limits and execute the command; never returns."""
    apply_limits(spec["limits"])
    os.umask(0o077)
    os.chdir(spec["cwd"])
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.closerange(3, 4096)
    os.execv(spec["argv"][0], spec["argv"])


def exit_code(status: int) -> int:
    """Wait status as an exit code, with the shell's 128 + N for a signal N."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def forward_interrupt(get_pid: Any, group: bool) -> None:
    """Pass SIGINT on to the process, or process group, that matters."""

    def handler(_number: int, _frame: object) -> None:
        with suppress(OSError):
            (os.killpg if group else os.kill)(get_pid(), signal.SIGINT)

    signal.signal(signal.SIGINT, handler)


def run_init(spec: dict[str, Any], outer_alive: int) -> None:
    """PID 1 of the sandbox: build, drop, start the kernel, reap until it ends.

    The pipe ``outer_alive`` has its other end in outer, which never writes: readable means that outer is gone.
    """
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    build_root(spec)
    raise_loopback()
    check(libc.sethostname(b"notebook", 8), "sethostname")
    drop_privileges(spec["uid"])
    prctl(PR_SET_DUMPABLE, 0)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # setuid has cleared it
    if select.select([outer_alive], [], [], 0)[0]:
        os._exit(1)
    kernel = os.fork()
    if kernel == 0:
        os.setsid()
        become_kernel(spec)
    forward_interrupt(lambda: kernel, group=True)
    while True:
        pid, status = os.wait()
        if pid == kernel:
            os._exit(exit_code(status))


def run_outer(spec: dict[str, Any]) -> None:
    """Enter the namespaces, start init, exit as it does."""
    enter_namespaces(spec["uid"])
    reading, writing = os.pipe()
    init = os.fork()
    if init == 0:
        os.close(writing)
        guarded(run_init, spec, reading)
    os.close(reading)
    forward_interrupt(lambda: init, group=False)
    status = os.waitpid(init, 0)[1]
    os._exit(exit_code(status))


def guarded(function: Any, *arguments: Any) -> None:
    """Run a function that must not return; say in one line what stopped it."""
    try:
        function(*arguments)
    except BaseException as error:
        os.write(2, f"launcher: {type(error).__name__}: {error}\n".encode("utf-8", "replace"))
    os._exit(125)


def main() -> None:
    """Read the specification and become the kernel, or the outermost of its three processes."""
    spec = json.load(sys.stdin)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        die_with_parent(spec["parent"])
    guarded(run_outer if spec["namespaces"] else become_kernel, spec)


if __name__ == "__main__":
    main()
