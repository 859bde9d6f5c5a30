"""Ways out of a sandbox, each actually tried from inside. Standard library only.

Usage: ``python -I -c <this source> TARGETS``, where TARGETS is JSON about things that exist outside; prints one line of
JSON, name -> ``["denied" or "allowed", detail]``. The harness itself checks the effects outside.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

Targets = dict[str, Any]
#: By machine: unshare, mount, ptrace, memfd_create, shmget, inotify_init1, flock, semget.
CALLS = {"x86_64": (272, 165, 101, 319, 29, 294, 73, 64), "aarch64": (97, 40, 117, 279, 194, 26, 32, 190)}
CLONE_NEWUSER, PTRACE_ATTACH, IPC_PRIVATE, LOCK_SHARED = 0x10000000, 16, 0, 1
#: File names in writable folders that the harness has ever opened, or might open.
NAMES_OF_THE_HARNESS = (
    "stdout", "stderr", "log", "connection.json", "kernel.json", "k-1", "k-2", "k-3", "s", ".lock", "notebook.ipynb",
    ".notebook.ipynb.tmp", "notebook.journal.jsonl", "notebook.answer.json", "answer.json", "transcript.json",
)  # fmt: skip


def call(index: int, *arguments: Any) -> str:
    """One system call of `CALLS`.

    Raises:
        OSError: As the call does.
    """
    numbers = CALLS.get(os.uname().machine)
    if numbers is None:
        raise OSError(errno.ENOSYS, "not tried on this machine")
    if ctypes.CDLL(None, use_errno=True).syscall(numbers[index], *arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return "done"


def in_child(action: Callable[[], object]) -> str:
    """Do something in a child process, which may be damaged by it.

    Raises:
        OSError: When it failed there.
    """
    child = os.fork()
    if child == 0:
        code = 0
        try:
            action()
        except OSError as error:
            code = min(error.errno or 1, 255)
        except BaseException:
            code = 255
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, os.strerror(code) if 0 < code < 255 else "failed")
    return "done"


def connect(family: int, address: Any) -> str:
    """Connect a stream socket."""
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(2)
        client.connect(address)
    return "connected"


def send_to_unix_socket(path: str) -> str:
    """Send a datagram to a unix socket in every way that needs no connection.

    Raises:
        OSError: When none of them works.
    """
    problem = OSError(errno.EPERM, "no way was tried")
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        for paired in (False, True):
            try:
                sender = socket.socketpair(type=kind)[0] if paired else socket.socket(socket.AF_UNIX, kind)
                with sender:
                    sender.sendto(b"escape", path)
            except OSError as error:
                problem = error
            else:
                return "sent"
    raise problem


def send_datagram(port: int) -> str:
    """Send a UDP datagram to this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"escape", ("127.0.0.1", port))
    return "sent"


def find_in_environments(canary: str) -> str:
    """Look for a text in the environment of every visible process.

    Raises:
        LookupError: When it is in none.
    """
    for name in [*os.listdir("/proc"), "self"]:  # noqa: PTH208
        with suppress(OSError):
            if canary.encode() in Path(f"/proc/{name}/environ").read_bytes():
                return f"found in that of process {name}"
    raise LookupError("it is in no environment")


def look_at_process(pid: int, start: str) -> str:
    """Look at a process of the host.

    Raises:
        LookupError: When another process has that number here.
    """
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    if stat[19] != start:
        raise LookupError("it is another process here")
    return "seen"


def kill_process(pid: int) -> str:
    """Kill a process of the host."""
    if pid in (1, os.getpid(), os.getppid()):
        raise LookupError("it is another process here")
    os.kill(pid, signal.SIGKILL)
    return "killed"


def fill(folder: str, size: int) -> str:
    """Write twice as much as a folder should hold; remove it again.

    Raises:
        OSError: When it does not fit.
    """
    path = Path(folder) / "fill"
    try:
        with path.open("wb") as file:
            for _ in range(2 * size >> 16):
                file.write(bytes(1 << 16))
    finally:
        path.unlink(missing_ok=True)
    return f"wrote {2 * size >> 20} MiB"


def fork_often(count: int) -> str:
    """Have many processes at once.

    Raises:
        OSError: When there are too many.
    """
    children: list[int] = []
    try:
        for _ in range(count):
            child = os.fork()
            if child == 0:
                time.sleep(10)
                os._exit(0)
            children.append(child)
    finally:
        for child in children:
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
    return f"had {count} processes"


def allocate(size: int) -> str:
    """Use memory."""
    block = bytearray(size)
    return f"allocated {len(block) >> 20} MiB"


def make_file(folder: str, name: str) -> str:
    """Make a new file."""
    with Path(folder, name).open("x"):
        return "made"


def become_root() -> str:
    """Change to user id 0 with its capabilities.

    Raises:
        PermissionError: When it has no capabilities: the id alone is useless.
    """
    os.setuid(0)
    fields = Path("/proc/self/status").read_text().split()
    if int(fields[fields.index("CapEff:") + 1], 16) == 0:
        raise PermissionError(errno.EPERM, "without capabilities")
    return "done"


def make_device(folder: str) -> str:
    """Make a device file."""
    os.mknod(f"{folder}/device", 0o60600, os.makedev(254, 0))
    return "made"


def first_that_works(*actions: Callable[[], object]) -> str:
    """Try actions until one succeeds.

    Raises:
        OSError: The error of the last one, when none succeeds.
    """
    for number, action in enumerate(actions):
        try:
            return str(action())
        except OSError:
            if number == len(actions) - 1:
                raise
    return "nothing"


def hold_memory() -> str:
    """Allocate memory that belongs to no process and no file system."""
    return first_that_works(
        lambda: call(3, b"escape", 0),
        lambda: call(4, IPC_PRIVATE, 1 << 20, 0o1600),
        lambda: call(7, IPC_PRIVATE, 1, 0o1600),
    )


def read_file(path: str) -> Callable[[], int]:
    """An action that reads a file and reports only its length."""

    def read() -> int:
        return len(Path(path).read_bytes())

    return read


def signal_through_file(path: str) -> str:
    """Lock or watch a file that other sandboxes see too."""

    def lock() -> str:
        with Path(path).open("rb") as file:
            return call(6, file.fileno(), LOCK_SHARED)

    def lease() -> str:
        with Path(path).open("rb") as file:
            fcntl.fcntl(file.fileno(), fcntl.F_SETLEASE, fcntl.F_RDLCK)
        return "leased"

    return first_that_works(lock, lease, lambda: call(5, 0))


def blind_supervisor() -> str:
    """Take away the descriptors of the process that supervises this one."""
    import resource

    for pid in (os.getppid(), 1):
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    return "done"


def keep_replacing(places: list[Path], target: str) -> None:
    """Keep replacing files by links to other places, until this sandbox ends."""
    if os.fork() == 0:
        with suppress(OSError):
            while True:
                for place in places:
                    new = place.with_name(f"{place.name}.new")
                    new.write_bytes(b"harmless")
                    new.replace(place)
                    new.symlink_to(target)
                    new.replace(place)
        os._exit(0)


def leave_core() -> str:
    """Remove the limit that keeps the host from writing (or piping) a core dump."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return "done"


def _sparse(place: Path, _target: str) -> None:
    import resource

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    with place.open("wb") as file:
        file.truncate(1 << 40 if limit < 0 else min(limit, 1 << 40))


def _folder(place: Path, target: str) -> None:
    place.mkdir()
    (place / "deeper").symlink_to(target)


REPLACED = "file that is replaced"
#: Replacements for a file that the harness might open, so that it reads, changes or waits for something else.
PLANTS: dict[str, Callable[[Path, str], object]] = {
    "link": lambda place, target: place.symlink_to(target),
    "link through the root of a process": lambda place, target: place.symlink_to(f"/proc/self/root{target}"),
    "link to a descriptor": lambda place, _target: place.symlink_to("/proc/self/fd/14"),
    "link to a folder": lambda place, target: place.symlink_to(os.path.dirname(target)),  # noqa: PTH120
    "FIFO": lambda place, _target: os.mkfifo(place),
    "hard link": lambda place, target: place.hardlink_to(target),
    "folder": _folder,
    "socket": lambda place, _target: socket.socket(socket.AF_UNIX).bind(str(place)),
    "device": lambda place, _target: os.mknod(place, 0o20666, os.makedev(1, 8)),
    "sparse file of a terabyte": _sparse,
    REPLACED: lambda place, _target: place.touch(),
}


def plant(kind: str, target: str, folders: list[str]) -> int:
    """Replace every file that the harness might open.

    Args:
        kind: One of `PLANTS`.
        target: Path of a file outside.
        folders: Target folders; files of these names may exist there already.

    Returns:
        In how many places this succeeded.
    """
    planted: list[Path] = []
    for folder in folders:
        for name in NAMES_OF_THE_HARNESS:
            place = Path(folder, name)
            with suppress(OSError):
                if place.is_dir() and not place.is_symlink():
                    for entry in place.iterdir():
                        entry.unlink()
                    place.rmdir()
                place.unlink(missing_ok=True)
                PLANTS[kind](place, target)
                planted.append(place)
    if kind == REPLACED:
        keep_replacing(planted, target)
    return len(planted)


def writable_folders(beginning: str = "/") -> list[str]:
    """Folders in which this process can create files, without system folders."""
    found: list[str] = []
    for folder, inside, _files in os.walk(beginning):
        if folder == beginning:
            inside[:] = [name for name in inside if name not in ("proc", "sys", "usr", "lib", "lib64", "bin", "sbin")]
        if len(found) < 50 and os.access(folder, os.W_OK | os.X_OK):
            found.append(folder)
    return found


def deceive_harness(targets: Targets) -> str:
    """Plant everything everywhere, one kind in each place; the harness determines the effect."""
    folders = [targets["work"], targets["tmp"]]
    kinds = [kind for kind in PLANTS if kind != REPLACED]
    planted = 0
    for number, name in enumerate(NAMES_OF_THE_HARNESS * 2):
        for folder in folders:
            place = Path(folder, name if number < len(NAMES_OF_THE_HARNESS) else f"{name}.{number}")
            with suppress(OSError):
                PLANTS[kinds[number % len(kinds)]](place, targets["file"])
                planted += 1
    return f"planted {planted}"


ATTEMPTS: dict[str, Callable[[Targets], object]] = {
    "read_file": lambda targets: Path(targets["file"]).read_text(),
    "read_hidden": lambda targets: first_that_works(*map(read_file, targets["hidden"])),
    "list_folder": lambda targets: os.listdir(targets["folder"]),  # noqa: PTH208
    "look_at_file": lambda targets: os.stat(targets["file"]),  # noqa: PTH116
    "write_file": lambda targets: Path(targets["file"]).open("a").close(),
    "make_file": lambda targets: make_file(targets["folder"], targets["canary"]),
    "change_mode": lambda targets: Path(targets["file"]).chmod(0o666),
    "write_python": lambda targets: make_file(targets["python"], targets["canary"]),
    "read_environment": lambda targets: find_in_environments(targets["canary"]),
    "see_process": lambda targets: look_at_process(targets["victim"], targets["victim_start"]),
    "signal_process": lambda targets: kill_process(targets["victim"]),
    "trace_process": lambda targets: call(2, PTRACE_ATTACH, targets["victim"], 0, 0),
    "tcp": lambda targets: connect(socket.AF_INET, ("127.0.0.1", targets["tcp_port"])),
    "udp": lambda targets: send_datagram(targets["udp_port"]),
    "abstract_socket": lambda targets: connect(socket.AF_UNIX, "\0" + targets["abstract"]),
    "unix_socket": lambda targets: connect(socket.AF_UNIX, targets["socket"]),
    "unix_datagram": lambda targets: send_to_unix_socket(targets["datagram_socket"]),
    "mount": lambda targets: in_child(lambda: call(1, b"none", targets["tmp"].encode(), b"tmpfs", 0, 0)),
    "new_namespace": lambda _targets: in_child(lambda: call(0, CLONE_NEWUSER)),
    "become_root": lambda _targets: in_child(become_root),
    "make_device": lambda targets: make_device(targets["tmp"]),
    "fill_tmp": lambda targets: fill(targets["tmp"], targets["tmp_bytes"]),
    "fill_work": lambda targets: fill(targets["work"], targets["work_bytes"]),
    "use_memory": lambda targets: in_child(lambda: allocate(targets["memory_bytes"])),
    "hold_memory": lambda _targets: hold_memory(),
    "signal_through_file": lambda _targets: signal_through_file(sys.executable),
    "blind_supervisor": lambda _targets: blind_supervisor(),
    "leave_core": lambda _targets: in_child(leave_core),
    "deceive_harness": deceive_harness,
    "fork_bomb": lambda targets: fork_often(targets["processes"]),
}


def attempt_all(targets: Targets, names: Iterable[str] = tuple(ATTEMPTS)) -> dict[str, tuple[str, str]]:
    """Try all escapes, or the named ones; the most destructive last."""
    results = {}
    for name in names:
        try:
            results[name] = "allowed", str(ATTEMPTS[name](targets))[:200]
        except BaseException as error:
            results[name] = "denied", f"{type(error).__name__}: {error}"[:200]
    return results


if __name__ == "__main__":
    targets = json.loads(sys.argv[1])
    # the last one may end this process, which also counts as prevented
    last = list(ATTEMPTS)[-1:]
    for names in (list(ATTEMPTS)[:-1], last):
        print(json.dumps(attempt_all(targets, names)), flush=True)  # noqa: T201
