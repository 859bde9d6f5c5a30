"""The file system that sandboxed processes see, where they have their own root. Standard library only.

The fork-server builds one root file system that contains only Python, the system libraries (both read-only) and empty
places; every process forked from it mounts its private folders over those places, in its own mount namespace.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scribe_suite.sandbox.inside.linux import (
    MNT_DETACH,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    bind,
    check,
    cover,
    libc,
    mount,
    mount_memory,
)

#: Where the fork-server sees the folders of its processes, and this folder; its processes see neither.
SLOTS, SCRIPTS = "/slots", "/sandbox"
PACKAGE = "scribe_suite/sandbox/inside"
#: Places over which every process mounts something of its own.
PRIVATE_FOLDERS = ("/work", "/tmp", "/dev/shm", "/dev/pts", SLOTS, SCRIPTS)
DEVICES = ("null", "zero", "full", "random", "urandom")
#: Settings of the whole machine. A harness that is root in its own user namespace still owns these files.
HOST_SETTINGS = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/acpi", "/proc/scsi")
#: Files that count open files and pseudo-terminals of the whole machine, through which two sandboxes could communicate.
HOST_COUNTERS = ("/proc/sys/fs", "/proc/sys/kernel/pty")
#: Most pseudo-terminals of a process: the machine has a few thousand for all.
MAX_TERMINALS = 64


def build_root(spec: Mapping[str, Any]) -> None:
    """Build the fork-server's root file system in its mount namespace, and enter it.

    Args:
        spec: ``stage`` (an empty folder), ``read_only`` (pairs of host path and place), ``texts`` and ``links`` (by
            place), ``devices`` (host paths), ``slots`` and ``scripts`` (host folders; the latter this package's),
            ``memory`` (places of file systems in memory, with their bytes), ``covered`` (places in what is shown that
            must look empty), ``inner`` (as ``read_only``, after that), ``emptied`` (places in all of this that must
            look empty), and ``laid`` (as in `_lay`).
    """
    root = Path(spec["stage"])
    os.umask(0o022)  # whatever the harness's is: other users must find their way to what is shown

    def inside(path: str) -> Path:
        return root / path.lstrip("/")

    mount("none", "/", None, MS_REC | MS_PRIVATE)
    mount("tmpfs", str(root), "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    for place, size in spec["memory"].items():
        inside(place).mkdir(parents=True, exist_ok=True)
        mount_memory(inside(place), size)
    for name, destination in spec["links"].items():  # before all folders that have the same link in them
        inside(name).parent.mkdir(parents=True, exist_ok=True)
        inside(name).symlink_to(destination)
    for source, target in spec["read_only"]:
        bind(source, inside(target), writable=False)
    covered = [place for place in spec["covered"] if inside(place).is_dir()]
    for place in covered:
        mount("tmpfs", str(inside(place)), "tmpfs", MS_NOSUID | MS_NODEV, "size=256k,mode=755")
    for source, target in spec["inner"]:
        bind(source, inside(target), writable=False)
    for place in spec["emptied"]:
        cover(inside(place))
    for place in covered:
        mount("none", str(inside(place)), None, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV)
    for name, text in spec["texts"].items():
        inside(name).parent.mkdir(parents=True, exist_ok=True)
        inside(name).write_text(text)
    for laid in spec["laid"]:
        _lay(inside(laid["place"]), laid)
    for folder in PRIVATE_FOLDERS:
        inside(folder).mkdir(parents=True, exist_ok=True)
    _build_devices(inside("/dev"))
    for device in spec["devices"]:
        bind(device, inside(device), writable=True)
    bind("/proc", inside("/proc"), writable=True)  # each process gets a proc of its own, which needs to see this one
    bind(spec["scripts"], inside(f"{SCRIPTS}/{PACKAGE}"), writable=False)
    mount(spec["slots"], str(inside(SLOTS)), None, MS_BIND | MS_REC)
    old = inside("/.old")
    old.mkdir()
    check(libc.pivot_root(str(root).encode(), str(old).encode()), "pivot_root")
    os.chdir("/")
    check(libc.umount2(b"/.old", MNT_DETACH), "umount of the old root")
    Path("/.old").rmdir()
    mount("none", "/", None, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV)


def _lay(place: Path, laid: Mapping[str, Any]) -> None:
    """Copy a host folder to an in-memory file system.

    Args:
        place: The target.
        laid: ``source`` (the host folder), ``size`` (bytes of the file system), ``uid`` (whose it becomes, or None).
    """
    place.mkdir(parents=True, exist_ok=True)
    mount_memory(place, laid["size"], "700")
    shutil.copytree(laid["source"], place, symlinks=True, dirs_exist_ok=True)
    _give(place, laid["uid"])


def _give(folder: Path, uid: int | None) -> None:
    """Change the owner of a folder and everything in it."""
    if uid is not None:
        for parent, _folders, files in os.walk(folder):
            for entry in (parent, *(os.path.join(parent, file) for file in files)):  # noqa: PTH118
                os.chown(entry, uid, uid, follow_symlinks=False)


def _build_devices(dev: Path) -> None:
    for device in DEVICES:
        bind(f"/dev/{device}", dev / device, writable=True)
    for link, place in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        (dev / link).symlink_to(f"/proc/self/fd{place}")
    (dev / "ptmx").symlink_to("pts/ptmx")


def lay_private_places(request: Mapping[str, Any]) -> None:
    """Mount the private places of a process, in its own mount and PID namespaces.

    Args:
        request: ``binds`` (slot path, place, writable), ``tmpfs`` (place -> bytes), ``masks`` (places to cover).
    """
    for place, size in request["tmpfs"].items():
        mount_memory(Path(place), size)
    # its own pseudo-terminals, without which ``!command`` fails in IPython
    options = f"newinstance,ptmxmode=0666,mode=620,max={MAX_TERMINALS}"
    mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, options)
    for source, place, writable in request["binds"]:
        bind(f"{SLOTS}/{source}", Path(place), writable)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for name in HOST_SETTINGS:
        if Path(name).exists():
            bind(name, Path(name), writable=False)
    for place in (*request["masks"], *HOST_COUNTERS, SLOTS, SCRIPTS):
        cover(Path(place))


class MemoryFolders:
    """In-memory folders of limited size that outlive the processes that use them.

    They are mounted in the fork-server's namespace, so that a process's files never reach a disk.
    """

    def __init__(self) -> None:
        self._mounted: set[str] = set()

    def prepare(self, wanted: Mapping[str, Any]) -> None:
        """Mount a file system and create a folder in it, unless done already.

        Args:
            wanted: ``mount`` (slot path of the file system), ``size`` (its bytes), ``folder`` (slot path of the folder
                in it), ``source`` (slot path of a folder to copy), ``uid`` (whose it is, or None).
        """
        folder = Path(SLOTS, wanted["folder"])
        if wanted["mount"] not in self._mounted:
            mount_memory(Path(SLOTS, wanted["mount"]), wanted["size"], "711")
            self._mounted.add(wanted["mount"])
        if folder.exists():
            return
        unfinished = folder.with_name(folder.name + ".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(Path(SLOTS, wanted["source"]), unfinished)
        _give(unfinished, wanted["uid"])
        unfinished.rename(folder)

    def release(self, home: str) -> None:
        """Release all file systems of a home; processes that still use one keep it until they end."""
        for name in [name for name in self._mounted if name.partition("/")[0] == home]:
            self._mounted.discard(name)
            libc.umount2(f"{SLOTS}/{name}".encode(), MNT_DETACH)
