"""Linux features that Python lacks: mounts, namespaces, capabilities. Standard library only.

The modules of this folder run before, or outside of, any environment: they must not import anything else of the suite.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
#: The same number on every architecture.
SYS_MOUNT_SETATTR = 442
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
PR_SET_CHILD_SUBREAPER, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, PR_CAP_AMBIENT_CLEAR_ALL = 36, 47, 2, 4
CAPABILITY_VERSION_3 = 0x20080522
SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    """Raise the C library's error for a call that returned one.

    Raises:
        OSError: With `what` as its file name.
    """
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def prctl(option: int, value: int, second: int = 0) -> None:
    """One prctl call.

    Raises:
        OSError: As the call does.
    """
    check(libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(second), 0, 0), f"prctl {option}")


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """The mount system call.

    Raises:
        OSError: Naming the target.
    """
    arguments = [text.encode() if text is not None else None for text in (source, target, kind)]
    check(libc.mount(*arguments, ctypes.c_ulong(flags), data.encode()), f"mount {target}")


def mount_memory(place: Path, size: int, mode: str = "1777") -> None:
    """Mount an in-memory file system of at most `size` bytes."""
    mount("tmpfs", str(place), "tmpfs", MS_NOSUID | MS_NODEV, f"size={size},mode={mode},nr_inodes=50000")


def bind(source: str, target: Path, writable: bool) -> None:
    """Bind a file or a folder, without setuid, and read-only with everything mounted below it unless writable.

    Bound device files keep working; devices elsewhere do not.
    """
    if Path(source).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    elif not target.exists():
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
    """Mount an empty folder or file over one that must be hidden; missing paths can't be covered."""
    if place.is_file():
        mount("/dev/null", str(place), None, MS_BIND)
    elif place.exists():
        mount("tmpfs", str(place), "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=555")


def raise_loopback() -> None:
    """Bring ``lo`` up: without a seccomp filter, ipykernel binds a TCP port even when it talks over unix sockets."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        fcntl.ioctl(probe, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP | IFF_RUNNING))


def unshare(flags: int, what: str) -> None:
    """Leave namespaces of the parent.

    Raises:
        OSError: With `what` as its file name.
    """
    check(libc.unshare(flags), what)


def map_own_user(inside: int) -> None:
    """In a new user namespace, map this user to `inside`, and no other user."""
    user, group = outside_ids()
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside} {user} 1"),
        ("gid_map", f"{inside} {group} 1"),
    ):
        Path(f"/proc/self/{name}").write_text(text)


def outside_ids() -> tuple[int, int]:
    """User and group id before entering a user namespace; inside they are 65534 until they are mapped."""
    return _OUTSIDE


_OUTSIDE = (os.geteuid(), os.getegid())


def keep_capabilities_over_exec() -> None:
    """Make all capabilities of a user namespace survive an exec, which takes them from everyone but root."""
    header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()
    check(libc.capget(header, data), "capget")
    data[2], data[5] = data[1], data[4]  # inheritable = permitted
    check(libc.capset(header, data), "capset")
    for capability in range(64):
        # fails past the last one
        libc.prctl(PR_CAP_AMBIENT, ctypes.c_ulong(PR_CAP_AMBIENT_RAISE), ctypes.c_ulong(capability), 0, 0)


def drop_privileges(uid: int | None) -> None:
    """Permanently drop the bounding set, the user id (if there is another one to take) and all capabilities."""
    libc.prctl(PR_CAP_AMBIENT, ctypes.c_ulong(PR_CAP_AMBIENT_CLEAR_ALL), 0, 0, 0)
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0)  # fails past the last one, and for users
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
    check(libc.capset(header, struct.pack("6I", *[0] * 6)), "capset")
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def die_with_parent(parent: int) -> None:
    """Die with the parent, even if it died just before this call."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def set_command_line(name: str) -> None:
    """Overwrite this process's command line as shown in ``/proc``; its forks inherit it.

    It stays unchanged where the system does not give its address.
    """
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end, 48 and 49 in proc(5)
    except (OSError, ValueError, IndexError):
        return
    if 0 < start < end:
        shown = name.encode()[: end - start - 1]
        ctypes.memset(start, 0, end - start)
        ctypes.memmove(start, shown, len(shown))
