"""Control groups: limits on the total memory and the processes of a kernel, where the machine allows it.

In version 1 each controller has its own tree, in version 2 all share one. A group is a folder; creating one below or
next to this process's group needs root or a delegated tree (``systemd-run --user --scope
-p Delegate=yes``).
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CONTROLLERS = ("memory", "pids")
#: Controller -> files of version 1 and 2 with its limit.
_LIMIT_FILES = {
    "memory": (("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"), ("memory.max",)),
    "pids": (("pids.max",), ("pids.max",)),
}
REMOVE_S = 5.0
#: Prefix of the names of the suite's groups; the process id of their harness follows.
PREFIX = "scribe-"
#: Seconds after which an empty group of a dead harness counts as left behind.
STALE_S = 600.0


class CgroupUnavailable(Exception):  # noqa: N818 -- it says that there is none, not that something failed
    """No group can be created; the message says why."""


@dataclass(frozen=True)
class Place:
    """A folder below which a group can be created.

    Attributes:
        folder: The folder.
        version: 1 or 2.
        controllers: Those of `CONTROLLERS` that a group there has.
    """

    folder: Path
    version: int
    controllers: tuple[str, ...]


def find_places(
    memberships: str | None = None, mounts: str | None = None, root: Path = Path("/")
) -> tuple[list[Place], str]:
    """Find the places where groups can be created.

    Args:
        memberships: Text of ``/proc/self/cgroup``.
        mounts: Text of ``/proc/self/mountinfo``.
        root: Root of the file system.

    Returns:
        Places whose controllers do not overlap, and why some controllers are missing, or an empty string.
    """
    try:
        memberships = memberships if memberships is not None else Path("/proc/self/cgroup").read_text()
        mounts = mounts if mounts is not None else Path("/proc/self/mountinfo").read_text()
    except OSError as error:
        return [], f"control groups can't be looked up ({error.strerror})"
    places: list[Place] = []
    reasons: list[str] = []
    missing = set(CONTROLLERS)
    for folder, version, controllers in _own_groups(memberships, mounts, root):
        wanted = tuple(name for name in CONTROLLERS if name in missing and (version == 2 or name in controllers))
        if not wanted:
            continue
        place, reason = _place_v1(folder, wanted) if version == 1 else _place_v2(folder, wanted)
        if place is not None:
            places.append(place)
            missing -= set(place.controllers)
        if reason:
            reasons.append(reason)
    if missing and not reasons:
        reasons.append(f"no control group here has {' or '.join(sorted(missing))}")
    return places, "; ".join(reasons) if missing else ""


def _own_groups(memberships: str, mounts: str, root: Path) -> Iterator[tuple[Path, int, tuple[str, ...]]]:
    """The groups of this process: folder, version, controllers of version 1."""
    groups: dict[frozenset[str], str] = {}
    for line in memberships.splitlines():
        _number, names, path = line.split(":", 2)
        groups[frozenset(names.split(",")) if names else frozenset()] = path
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        kind, _source, options = [*after.split(), "", "", ""][:3]
        mount_root, mount_point = before.split()[3:5]
        for controllers, path in groups.items():
            in_v1 = kind == "cgroup" and bool(controllers) and controllers <= set(options.split(","))
            if in_v1 or (kind == "cgroup2" and not controllers):
                inside = os.path.relpath(path, mount_root) if mount_root != "/" else path.lstrip("/")
                if not inside.startswith(".."):
                    yield root / mount_point.lstrip("/") / inside, 1 if in_v1 else 2, tuple(controllers)


def _place_v1(folder: Path, wanted: tuple[str, ...]) -> tuple[Place | None, str]:
    if not os.access(folder, os.W_OK):
        return None, f"{folder} may not be written"
    return Place(folder, 1, wanted), ""


def _place_v2(own: Path, wanted: tuple[str, ...]) -> tuple[Place | None, str]:
    """Below this process's group if that may have children with controllers, else next to it."""
    reasons = []
    for folder in (own, own.parent):
        if not (folder / "cgroup.controllers").exists():
            continue
        try:
            has = tuple(name for name in wanted if name in (folder / "cgroup.controllers").read_text().split())
            _enable(folder / "cgroup.subtree_control", has)
            if not os.access(folder, os.W_OK) or not os.access(folder / "cgroup.procs", os.W_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            reasons.append(f"{folder}: {error.strerror}")
            continue
        if has:
            return Place(folder, 2, has), ""
        reasons.append(f"{folder} has not {' or '.join(wanted)}")
    return None, "; ".join(reasons)


def _enable(control: Path, names: tuple[str, ...]) -> None:
    enabled = control.read_text().split()
    missing = [f"+{name}" for name in names if name not in enabled]
    if missing:
        control.write_text(" ".join(missing))


class Cgroup:
    """A group of processes; made by `create`.

    Attributes:
        controllers: Those whose limits are enforced.
    """

    def __init__(self, folders: Mapping[Path, Place]) -> None:
        self._folders = dict(folders)
        self.controllers = tuple(name for place in self._folders.values() for name in place.controllers)

    @classmethod
    def create(
        cls, name: str, memory_bytes: int | None, processes: int | None, places: list[Place] | None = None
    ) -> Cgroup:
        """Create a group.

        Args:
            name: The name of its folder; must be new.
            memory_bytes: Memory limit for all its processes, including files in memory; None for no limit.
            processes: Limit for processes and threads in it; None for no limit.
            places: Possible places, from `find_places`.

        Raises:
            CgroupUnavailable: When none can be created.
        """
        limits = {"memory": memory_bytes, "pids": processes}
        places = _places()[0] if places is None else places
        if not places:
            raise CgroupUnavailable(_places()[1] or "there is no place for control groups")
        group = cls({})
        try:
            for place in places:
                folder = place.folder / name
                folder.mkdir(mode=0o755)
                group._folders[folder] = place
                for controller in place.controllers:
                    _set_limit(folder, place.version, controller, limits[controller])
        except OSError as error:
            group.remove()
            raise CgroupUnavailable(f"{error.filename}: {error.strerror}") from error
        return cls(group._folders)

    def add(self, pid: int) -> bool:
        """Move a process into the group; its later children belong to it too.

        Returns:
            Whether it is in the group now; False for a process that is gone.
        """
        moved = True
        for folder in self._folders:
            try:
                (folder / "cgroup.procs").write_text(str(pid))
            except OSError:
                moved = False
        return moved

    def processes(self) -> list[int]:
        """PIDs of the processes in it."""
        found: set[int] = set()
        for folder in self._folders:
            with contextlib.suppress(OSError):
                found |= {int(line) for line in (folder / "cgroup.procs").read_text().split()}
        return sorted(found - {0})  # a process out of sight shows as 0, and killing 0 would kill our own group

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed one of its processes because of the group's memory limit."""
        for folder, place in self._folders.items():
            if "memory" in place.controllers:
                with contextlib.suppress(OSError, ValueError):
                    name = "memory.oom_control" if place.version == 1 else "memory.events"
                    lines = (folder / name).read_text().splitlines()
                    counts = dict(line.split() for line in lines)
                    if int(counts.get("oom_kill", 0)) > 0:
                        return True
        return False

    def kill(self) -> None:
        """Kill all its processes and wait until they are gone, for a few seconds at most."""
        deadline = time.monotonic() + REMOVE_S
        while (pids := self.processes()) and time.monotonic() < deadline:
            for folder in self._folders:
                with contextlib.suppress(OSError):
                    if (folder / "cgroup.kill").exists():
                        (folder / "cgroup.kill").write_text("1")
            for pid in pids:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)

    def remove(self) -> None:
        """Kill its processes and remove it; may be called twice."""
        self.kill()
        deadline = time.monotonic() + REMOVE_S
        for folder in list(self._folders):
            while True:
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:  # a killed process may still be leaving
                    if time.monotonic() > deadline:
                        break
                    time.sleep(0.01)
                else:
                    break


def _set_limit(folder: Path, version: int, controller: str, limit: int | None) -> None:
    if limit is None:
        return
    first, *others = _LIMIT_FILES[controller][version - 1]
    (folder / first).write_text(str(limit))
    for name in others:  # only where swap is accounted for
        with contextlib.suppress(OSError):
            if (folder / name).exists():
                (folder / name).write_text(str(limit))
    if controller == "memory" and version == 2:
        with contextlib.suppress(OSError):
            (folder / "memory.swap.max").write_text("0")


def limiting_group(limits: Sequence[str], memory_bytes: int | None, processes: int) -> Cgroup | None:
    """A new group for a sandbox, or None where none can be created.

    Args:
        limits: What groups can limit here; if nothing, no group is created.
        memory_bytes: As in `Cgroup.create`.
        processes: Limit for processes and threads, without the sandbox's supervisors.
    """
    if not limits:
        return None
    with contextlib.suppress(CgroupUnavailable):
        name = f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
        return Cgroup.create(name, memory_bytes, processes + 2)  # its supervisor and init
    return None


def remove_stale(places: list[Place]) -> None:
    """Remove the empty groups that killed harnesses left behind.

    Args:
        places: Where to look.
    """
    for place in places:
        for folder in place.folder.glob(f"{PREFIX}*-*"):
            owner = folder.name.removeprefix(PREFIX).partition("-")[0]
            with contextlib.suppress(OSError):
                old = time.time() - folder.stat().st_mtime > STALE_S
                if owner.isdigit() and old and not Path(f"/proc/{owner}").exists():
                    folder.rmdir()  # which the system refuses while there is a process in it


@functools.cache
def _places() -> tuple[list[Place], str]:
    return find_places()


@functools.cache
def probe() -> tuple[tuple[str, ...], str]:
    """Actually create a group and move a process into it; once per process.

    Returns:
        The controllers that work, and why others don't, or an empty string.
    """
    places, reason = _places()
    remove_stale(places)
    try:
        group = Cgroup.create(f"{PREFIX}{os.getpid()}-probe-{secrets.token_hex(4)}", 1 << 30, 16)
    except CgroupUnavailable as error:
        return (), reason or str(error)
    child = subprocess.Popen(["sleep", "60"])
    try:
        if not group.add(child.pid) or child.pid not in group.processes():
            return (), "a process could not be moved into a control group"
    finally:
        child.kill()
        child.wait()
        group.remove()
    return group.controllers, reason
