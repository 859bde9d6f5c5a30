"""The resource usage of a sandbox's processes, according to ``/proc``. Standard library only.

This limits sandboxes where there is no control group. Memory that belongs to no single process counts too: files in
memory by what their file systems hold, memory shared between processes by the whole size of each mapping, since its
pages may be in none of them. (Files in memory without a file system, and System V segments, can't be made in a sandbox:
see `seccomp`.)
"""

from __future__ import annotations

import os
import re
import signal
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

#: Mappings of memory without a file system: the range, device and inode, which identify the same memory everywhere.
_SHARED = re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) \S{3}s [0-9a-f]+ (\S+ \d+) +(?:/dev/zero|/memfd:|/SYSV)", re.MULTILINE)
#: Reasons for ending a sandbox.
OUT_OF_MEMORY, TOO_MANY, DISK_FULL = "memory", "processes", "disk"
#: Bytes that the system keeps for a mapping.
MAPPING_BYTES = 256
_OWN_FIELDS = ("RssAnon", "RssShmem", "VmPTE")
_SHARED_OUT_FIELDS = ("Pss_Anon", "Pss_Shmem")


def all_but_this() -> list[int]:
    """PIDs of all visible processes except this one."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]  # noqa: PTH208


def descendants(root: int) -> list[int]:
    """Processes that descend from `root`; empty where there is no ``/proc``."""
    parents: dict[int, int] = {}
    with suppress(OSError):
        for pid in all_but_this():
            with suppress(OSError, ValueError, IndexError):
                # the name in parentheses may contain anything, including spaces and parentheses
                parents[pid] = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    found: list[int] = []
    seek = {root}
    while seek:
        seek = {pid for pid, parent in parents.items() if parent in seek}
        found += seek
    return found


def memory_used(pids: Sequence[int], in_memory: Iterable[str] = (), enough: int = 0) -> int:
    """Bytes of memory that processes use together.

    A cheap number is used first: the anonymous and shared memory of each process, which counts memory shared by forks
    once for each of them. Only if that is more than `enough`, every page is divided among the processes that have it,
    which takes longer.

    Args:
        pids: The processes.
        in_memory: Places of their in-memory file systems.
        enough: Below this number, the exact value does not matter.
    """
    shared, kept = _mapped(pids)
    files = sum(map(file_system_used, in_memory))
    used = _sum_fields(pids, "status", _OWN_FIELDS) + shared + files + kept
    if used <= enough:
        return used
    shared_out = _sum_fields(pids, "smaps_rollup", _SHARED_OUT_FIELDS)
    # pages of a file in memory that is mapped are in both sums, but which ones is not known: the larger sum counts
    anonymous = _sum_fields(pids, "smaps_rollup", _SHARED_OUT_FIELDS[:1])
    return max(shared_out, anonymous + shared + files) + kept


def shared_memory(pids: Sequence[int]) -> int:
    """Bytes of shared mappings without a file system, each counted once."""
    return _mapped(pids)[0]


def _mapped(pids: Sequence[int]) -> tuple[int, int]:
    """The result of `shared_memory`, and the system's own bytes for all mappings of the processes."""
    pieces: dict[bytes, int] = {}
    kept = 0
    for pid in pids:
        with suppress(OSError):
            sizes: dict[bytes, int] = {}
            maps = Path(f"/proc/{pid}/maps").read_bytes()
            kept += maps.count(b"\n") * MAPPING_BYTES
            for start, end, name in _SHARED.findall(maps):
                sizes[name] = sizes.get(name, 0) + int(end, 16) - int(start, 16)
            for name, size in sizes.items():
                pieces[name] = max(pieces.get(name, 0), size)
    return sum(pieces.values()), kept


def file_system_used(place: str) -> int:
    """Bytes used in a file system, including deleted files that are still open."""
    try:
        system = os.statvfs(place)
    except OSError:
        return 0
    return (system.f_blocks - system.f_bfree) * system.f_frsize


def disk_used(folders: Iterable[str], pids: Sequence[int], enough: int) -> int:
    """Bytes used in folders on disk, including deleted files that processes still have open.

    Args:
        folders: Folders whose content is untrusted: no link in them is followed.
        pids: The processes.
        enough: Above this number, the exact value does not matter.
    """
    sizes: dict[tuple[int, int], int] = {}
    for folder in folders:
        with suppress(OSError):
            for _path, _folders, files, descriptor in os.fwalk(folder, follow_symlinks=False):
                for name in files:
                    with suppress(OSError):
                        status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                        sizes[status.st_dev, status.st_ino] = status.st_blocks * 512
                if sum(sizes.values()) > enough:
                    return sum(sizes.values())
    for pid in pids:
        with suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
                with suppress(OSError):
                    status = os.stat(f"/proc/{pid}/fd/{name}")  # noqa: PTH116
                    if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                        sizes[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(sizes.values())


def _sum_fields(pids: Sequence[int], file: str, names: Sequence[str]) -> int:
    """Sum over processes of fields in kB of a file in ``/proc``, in bytes; dead processes count as 0."""
    total = 0
    for pid in pids:
        with suppress(OSError, ValueError):
            lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
            fields = dict(line.split(":", 1) for line in lines if ":" in line)
            total += sum(int(fields[name].split()[0]) for name in names if name in fields) << 10
    return total


def kill_descendants() -> None:
    """Kill what the process has left behind; this process reaps all of it."""
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


class Watch:
    """Checks periodically whether a sandbox exceeds its limits.

    Args:
        memory: Limit in bytes for all processes together, or None.
        processes: Limit for their number, or None.
        in_memory: As in `memory_used`.
        disk: Limit for the bytes in `on_disk`, or None.
        on_disk: Their folders on disk.
    """

    #: Seconds between two checks; fewer when more than half of the memory is in use.
    SLOW_S, FAST_S = 0.5, 0.05

    def __init__(
        self,
        memory: int | None = None,
        processes: int | None = None,
        in_memory: Iterable[str] = (),
        disk: int | None = None,
        on_disk: Iterable[str] = (),
    ) -> None:
        self._memory = memory
        self._processes = processes
        self._in_memory = tuple(in_memory)
        self._disk = disk
        self._on_disk = tuple(on_disk)
        self._idle = memory is None and processes is None and disk is None
        self._next = time.monotonic()

    @property
    def wait_s(self) -> float:
        """Seconds until the next check; very many when there is nothing to check."""
        if self._idle:
            return 3600.0
        return max(0.0, self._next - time.monotonic())

    def exceeded(self, find: Callable[[], Sequence[int]]) -> str:
        """Which limit is exceeded (`OUT_OF_MEMORY` and so on), or an empty string. Checks only when it is time.

        Args:
            find: Finds the processes.
        """
        begin = time.monotonic()
        if self._idle or begin < self._next:
            return ""
        found = find()
        interval, reason = self.SLOW_S, ""
        if self._processes is not None and len(found) > self._processes:
            reason = TOO_MANY
        elif self._disk is not None and disk_used(self._on_disk, found, self._disk) > self._disk:
            reason = DISK_FULL
        elif self._memory is not None:
            used = memory_used(found, self._in_memory, self._memory // 2)
            if used > self._memory:
                reason = OUT_OF_MEMORY
            elif used > self._memory // 2:
                interval = self.FAST_S
        end = time.monotonic()
        self._next = end + max(interval, 2 * (end - begin))  # however many processes there are, looking is not all
        return reason
