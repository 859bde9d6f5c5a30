"""Filters of system calls (seccomp), as tables. Standard library only.

A filter is a program for the classic BPF machine that examines the number and the arguments of a system call (Linux,
Documentation/userspace-api/seccomp_filter.rst). Everything is allowed except what a table names: namespaces, user ids
and capabilities isolate, and the filter closes the remaining gaps.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_BITS, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
ALLOW, ERROR, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
#: Offsets in the program's input: number of the call, machine, low halves of the first three arguments; the high half
#: of each follows.
NUMBER, MACHINE, ARGUMENTS, HIGH = 0, 4, (16, 24, 32), 4
X32_BIT = 0x40000000
CLONE_THREAD = 0x10000
#: CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
CLONE_NEW = 0x80 | 0x20000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
#: A socket's type without SOCK_CLOEXEC and SOCK_NONBLOCK.
SOCKET_TYPE_MASK = 0xF
#: Types of unix sockets that need a connection. All others can send without one: SOCK_RAW makes a datagram socket too
#: (Linux, net/unix/af_unix.c), and a datagram from one socket of a pair goes wherever it is addressed.
CONNECTED_TYPES = (socket.SOCK_STREAM, socket.SOCK_SEQPACKET)
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
AF_NETLINK, NETLINK_ROUTE = 16, 0

#: By machine: its number in the kernel's audit interface, and the numbers of calls. The same name is the same call.
MACHINES: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        {
            "ioctl": 16, "shmget": 29, "semget": 64, "msgget": 68, "fcntl": 72, "flock": 73, "setrlimit": 160,
            "setpriority": 141,
            "sched_setparam": 142,
            "sched_setscheduler": 144, "sched_setaffinity": 203, "ioprio_set": 251, "inotify_init": 253,
            "inotify_init1": 294, "mq_open": 240, "prlimit64": 302, "sched_setattr": 314, "memfd_create": 319,
            "socket": 41,
            "connect": 42, "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58,
            "ptrace": 101, "syslog": 103, "vhangup": 153, "pivot_root": 155, "chroot": 161, "acct": 163,
            "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169,
            "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173, "init_module": 175,
            "delete_module": 176, "quotactl": 179, "lookup_dcookie": 212, "clock_settime": 227, "mbind": 237,
            "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250,
            "unshare": 272, "move_pages": 279, "perf_event_open": 298, "fanotify_init": 300, "name_to_handle_at": 303,
            "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312,
            "finit_module": 313, "kexec_file_load": 320, "bpf": 321, "userfaultfd": 323,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "fcntl": 25, "inotify_init1": 26, "ioprio_set": 30, "flock": 32, "sched_setparam": 118,
            "sched_setscheduler": 119, "sched_setaffinity": 122, "setpriority": 140, "setrlimit": 164, "msgget": 186,
            "shmget": 194, "semget": 190, "mq_open": 180, "prlimit64": 261, "sched_setattr": 274,
            "memfd_create": 279, "lookup_dcookie": 18,
            "ioctl": 29, "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51,
            "vhangup": 58, "quotactl": 60, "acct": 89, "unshare": 97, "kexec_load": 104, "init_module": 105,
            "delete_module": 106, "clock_settime": 112, "syslog": 116, "ptrace": 117, "reboot": 142, "sethostname": 161,
            "setdomainname": 162, "settimeofday": 170,
            "socket": 198, "socketpair": 199, "connect": 203,
            "add_key": 217,
            "request_key": 218, "keyctl": 219, "clone": 220, "swapon": 224, "swapoff": 225, "mbind": 235,
            "move_pages": 239, "perf_event_open": 241, "fanotify_init": 262, "name_to_handle_at": 264,
            "open_by_handle_at": 265, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272,
            "finit_module": 273, "bpf": 280, "userfaultfd": 282, "kexec_file_load": 294,
        },
    ),
}  # fmt: skip
#: Calls added after numbers became the same on all machines.
COMMON = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428, "move_mount": 429,
    "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "clone3": 435, "pidfd_getfd": 438,
    "process_madvise": 440, "mount_setattr": 442, "quotactl_fd": 443, "memfd_secret": 447, "open_tree_attr": 467,
}  # fmt: skip
#: Calls that no sandboxed process needs: they require capabilities, or reach into other processes or deep into the
#: kernel.
FORBIDDEN = (
    "unshare", "setns", "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd",
    "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick",
    "mount_setattr", "open_tree_attr", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter",
    "io_uring_register", "keyctl", "add_key", "request_key", "open_by_handle_at", "name_to_handle_at",
    "fanotify_init", "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "acct", "swapon",
    "swapoff", "reboot", "quotactl", "quotactl_fd", "sethostname", "setdomainname", "settimeofday", "clock_settime",
    "iopl", "ioperm", "syslog", "vhangup", "move_pages", "lookup_dcookie",
)  # fmt: skip
#: Memory that belongs to no process once it is unmapped and that no file system limits. The calls fail as if
#: unsupported, which libraries can handle.
UNCOUNTED_MEMORY = ("memfd_create", "memfd_secret", "shmget", "semget", "msgget", "mq_open")
#: Commands of fcntl that block other openers of a file and report them: F_SETLEASE, F_GETLEASE.
LEASES = (1024, 1025)
#: Calls that show a process that another one has opened, locked or read a file: two sandboxes that see the same
#: read-only file could communicate through it.
FILE_SIGNALS = ("flock", "inotify_init", "inotify_init1")
#: The same as commands of fcntl: F_GETLK, F_OFD_GETLK, F_NOTIFY.
FILE_SIGNAL_COMMANDS = (5, 36, 1026)
#: The argument that names the process (or thread) of a call. Init has the same user id, and could no longer watch its
#: sandbox if it were denied CPU time. Its number is 1; a thread may name itself.
ABOUT_A_THREAD = {
    "sched_setscheduler": 0, "sched_setparam": 0, "sched_setaffinity": 0, "sched_setattr": 0, "setpriority": 1,
    "ioprio_set": 1,
}  # fmt: skip
INIT = 1
#: An argument of setrlimit. A process whose limit is 1 leaves no core, not even through a program that the host starts
#: for it; with 0 it would (Linux, fs/coredump.c).
RLIMIT_CORE = 4


@dataclass(frozen=True)
class Policy:
    """What a filter forbids besides `FORBIDDEN`, new namespaces, and all sockets but unix ones.

    Attributes:
        connect: Whether sockets may be connected. Where the host's network namespace and file system are reachable, a
            unix socket of any address leads to other processes.
        processes: Whether processes may be created. Threads always may.
        file_signals: Whether `FILE_SIGNALS` are allowed.
        network: Whether internet sockets, and those that report network interfaces, may be created.
    """

    connect: bool = True
    processes: bool = True
    file_signals: bool = False
    network: bool = False


POLICIES = {
    "kernel": Policy(),
    "no_connect": Policy(connect=False),
    "function": Policy(processes=False),
    "agent": Policy(network=True, file_signals=True),  # they lock and watch files of their own
}

_Line = tuple[int, int, int, int]


def supported() -> bool:
    """Whether this machine's processor is known, and its kernel has filters."""
    if platform.system() != "Linux" or platform.machine() not in MACHINES:
        return False
    # EFAULT: the kernel knows the call and would have read the program
    code = ctypes.CDLL(None, use_errno=True).prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, None, 0, 0)
    return code == -1 and ctypes.get_errno() == errno.EFAULT


def program(policy: str, machine: str | None = None) -> bytes:
    """The filter of a policy as BPF code.

    Args:
        policy: A key of `POLICIES`.
        machine: A key of `MACHINES`; this machine by default.
    """
    rules, number = POLICIES[policy], MACHINES[machine or platform.machine()]
    lines: list[_Line] = [
        (LOAD, 0, 0, MACHINE),
        (JUMP_EQUAL, 1, 0, number[0]),
        (RETURN, 0, 0, KILL_PROCESS),  # calls of another machine (32-bit ones, say) have other numbers
        (LOAD, 0, 0, NUMBER),
        (JUMP_AT_LEAST, 0, 1, X32_BIT),
        (RETURN, 0, 0, ERROR | errno.ENOSYS),
    ]
    for call, block in _blocks(rules).items():
        code = {**number[1], **COMMON}.get(call)
        if code is not None:
            # every block ends with its own verdict, so a jump never crosses more than one block
            lines += [(JUMP_EQUAL, 0, len(block), code), *block]
    lines.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def _blocks(rules: Policy) -> Mapping[str, list[_Line]]:
    """The blocks for all calls that are not simply allowed; each block ends with verdicts."""
    blocks = {call: _refuse(errno.EPERM) for call in FORBIDDEN}
    blocks |= {call: _refuse(errno.ENOSYS) for call in UNCOUNTED_MEMORY}
    blocks["clone3"] = _refuse(errno.ENOSYS)  # its flags are out of sight; the C library then uses clone
    blocks["clone"] = [(LOAD, 0, 0, ARGUMENTS[0]), (JUMP_BITS, 0, 1, CLONE_NEW), *_refuse(errno.EPERM)]
    if not rules.processes:
        blocks["clone"] += [(JUMP_BITS, 1, 0, CLONE_THREAD), *_refuse(errno.EPERM)]
        blocks |= {call: _refuse(errno.EPERM) for call in ("fork", "vfork")}
    blocks["clone"] += _allow()
    blocks["socket"] = _internet() if rules.network else _only_unix(rules)
    if not rules.connect:
        blocks["connect"] = _refuse(errno.EPERM)
        blocks["socketpair"] = _only_unix(rules)
    blocks |= {call: _refuse(errno.ENOSYS) for call in UNCOUNTED_MEMORY}
    for call, argument in ABOUT_A_THREAD.items():
        blocks[call] = [(LOAD, 0, 0, ARGUMENTS[argument]), *_refuse_values((INIT,)), *_allow()]
    # limits of other processes, 0 being oneself: init could not work without descriptors
    only_asks = [
        (LOAD, 0, 0, ARGUMENTS[2]), (JUMP_EQUAL, 0, 3, 0), (LOAD, 0, 0, ARGUMENTS[2] + HIGH), (JUMP_EQUAL, 0, 1, 0),
        *_allow(),
    ]  # fmt: skip
    own = [(LOAD, 0, 0, ARGUMENTS[0]), (JUMP_EQUAL, 1, 0, 0), *_refuse(errno.EPERM)]
    limited = [(LOAD, 0, 0, ARGUMENTS[1]), *_refuse_values((RLIMIT_CORE,))]
    blocks["prlimit64"] = [*own, *only_asks, *limited, *_allow()]
    blocks["setrlimit"] = [(LOAD, 0, 0, ARGUMENTS[0]), *_refuse_values((RLIMIT_CORE,)), *_allow()]
    commands: tuple[int, ...] = LEASES
    if not rules.file_signals:
        blocks |= {call: _refuse(errno.ENOSYS) for call in FILE_SIGNALS}
        commands += FILE_SIGNAL_COMMANDS
    blocks["fcntl"] = [(LOAD, 0, 0, ARGUMENTS[1]), *_refuse_values(commands, errno.EINVAL), *_allow()]
    blocks["ioctl"] = [(LOAD, 0, 0, ARGUMENTS[1]), *_refuse_values((TIOCSTI, TIOCLINUX)), *_allow()]
    return blocks


def _only_unix(rules: Policy) -> list[_Line]:
    """Verdicts on a call that creates sockets, by family and, where nothing may be connected, by type."""
    # libzmq treats any other error as an internal bug and aborts
    block = [(LOAD, 0, 0, ARGUMENTS[0]), (JUMP_EQUAL, 1, 0, socket.AF_UNIX), *_refuse(errno.EOPNOTSUPP)]
    if not rules.connect:
        block += [(LOAD, 0, 0, ARGUMENTS[1]), (AND, 0, 0, SOCKET_TYPE_MASK)]
        for kind in CONNECTED_TYPES:
            block += [(JUMP_EQUAL, 0, 1, kind), *_allow()]
        return [*block, *_refuse(errno.EPERM)]
    return [*block, *_allow()]


def _internet() -> list[_Line]:
    """Verdicts on creating sockets where the network may be used: internet families, and only routes of netlink."""
    block = [(LOAD, 0, 0, ARGUMENTS[0])]
    for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6):
        block += [(JUMP_EQUAL, 0, 1, family), *_allow()]
    block += [(JUMP_EQUAL, 1, 0, AF_NETLINK), *_refuse(errno.EAFNOSUPPORT)]
    return [*block, (LOAD, 0, 0, ARGUMENTS[2]), (JUMP_EQUAL, 0, 1, NETLINK_ROUTE), *_allow(), *_refuse(errno.EPERM)]


def _refuse(number: int) -> list[_Line]:
    return [(RETURN, 0, 0, ERROR | number)]


def _allow() -> list[_Line]:
    return [(RETURN, 0, 0, ALLOW)]


def _refuse_values(values: Iterable[int], number: int = errno.EPERM) -> list[_Line]:
    return [line for value in values for line in ((JUMP_EQUAL, 0, 1, value), *_refuse(number))]


def install(policy: str) -> None:
    """Permanently filter the calls of this thread and of everything it starts.

    Args:
        policy: A key of `POLICIES`.

    Raises:
        OSError: When the kernel refuses the filter.
    """
    code = program(policy)
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HP", len(code) // 8, ctypes.addressof(buffer))
    for option, first, second in ((PR_SET_NO_NEW_PRIVS, 1, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header)):
        if libc.prctl(option, ctypes.c_ulong(first), second, 0, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), "filter of system calls")
