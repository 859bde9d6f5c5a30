"""The typed request to a fork-server to start a process: `inside.supervisor` and `inside.view` read its fields.

It is sent to the inside as JSON and contains no name of a tier, only the consequences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scribe_suite.sandbox.inside import seccomp
from scribe_suite.sandbox.tiers import IsolationTier

#: Limits of every sandboxed process. With a core limit of 1 byte, a crash starts no program on the host; with 0 it
#: would.
LIMITS = {"RLIMIT_CORE": 1, "RLIMIT_FSIZE": 1 << 30, "RLIMIT_NOFILE": 1024}


@dataclass(frozen=True)
class ProcessRequest:
    """One process to start.

    Attributes:
        kernel: The argument of `inside.jupyter_kernel.run`, or ``code`` and ``arguments`` of a program that runs with
            the fork-server's imports; None for a command.
        argv: The command, or empty for a kernel.
        environment: All of its environment.
        cwd: Its initial working folder, as it sees it.
        own_root: Whether it gets its own namespaces.
        user_namespace: Whether it needs a user namespace to be allowed to create them.
        network: Whether it keeps the host's network.
        uid: User id it changes to, or None.
        limits: Names of the `resource` module and their values.
        memory: Limit in bytes for all its processes together, or None.
        processes: Processes and threads.
        disk: Limit in bytes for the folders in `on_disk`, or None where none is on a disk.
        on_disk: Host folders it writes to.
        in_memory: Places in memory that count towards `memory`.
        tmpfs: Places of its private in-memory file systems, with their bytes.
        binds: Slot path, place, and whether it is writable.
        masks: Places to cover.
        folders: Folders in memory that the fork-server prepares; see `inside.view.MemoryFolders.prepare`.
        opened: Folders whose descriptors the harness wants.
        seccomp: A policy of `inside.seccomp`, or None.
        landlock: Paths ``read_only``, ``writable`` and ``hidden``, or None for no ruleset.
    """

    kernel: Mapping[str, Any] | None
    argv: Sequence[str]
    environment: Mapping[str, str]
    cwd: str
    own_root: bool
    user_namespace: bool
    network: bool
    uid: int | None
    limits: Mapping[str, int]
    memory: int | None
    processes: int
    disk: int | None
    on_disk: Sequence[str]
    in_memory: Sequence[str]
    tmpfs: Mapping[str, int]
    binds: Sequence[tuple[str, str, bool]]
    masks: Sequence[str]
    folders: Sequence[Mapping[str, Any]]
    opened: Sequence[str]
    seccomp: str | None
    landlock: Mapping[str, Sequence[str]] | None

    def as_message(self) -> dict[str, Any]:
        """Its fields by name, JSON-safe."""
        return dict(vars(self))


@dataclass(frozen=True)
class Execution:
    """The program to run.

    Attributes:
        environment: All of its environment.
        cwd: Its initial working folder, as it sees it.
        kernel: As in `ProcessRequest`.
        argv: The same.
    """

    environment: Mapping[str, str]
    cwd: str
    kernel: Mapping[str, Any] | None = None
    argv: Sequence[str] = ()


@dataclass(frozen=True)
class Resources:
    """Its resource limits.

    Attributes:
        limits: As in `ProcessRequest`; the number of processes is added where it can be counted.
        memory_bytes: Limit for all its processes together, or None.
        processes: Processes and threads.
        disk_bytes: Limit for its folders, where they are on a disk.
    """

    limits: Mapping[str, int]
    memory_bytes: int | None
    processes: int
    disk_bytes: int


@dataclass(frozen=True)
class Places:
    """What it sees and may write to; fields that do not apply to its tier are left out of the request.

    Attributes:
        on_disk: As in `ProcessRequest`, where its folders are on a disk.
        in_memory: As in `ProcessRequest`, where they are in memory.
        tmpfs: As in `ProcessRequest`.
        binds: The same.
        masks: The same.
        folders: The same.
        opened: The same.
        landlock: The same.
    """

    on_disk: Sequence[str]
    in_memory: Sequence[str]
    tmpfs: Mapping[str, int]
    binds: Sequence[tuple[str, str, bool]] = ()
    masks: Sequence[str] = ()
    folders: Sequence[Mapping[str, Any]] = ()
    opened: Sequence[str] = ()
    landlock: Mapping[str, Sequence[str]] | None = None


def process_request(
    tier: IsolationTier,
    uid: int | None,
    execution: Execution,
    resources: Resources,
    places: Places,
    *,
    policy: str | None,
    network: bool,
) -> ProcessRequest:
    """The request for a process in a tier.

    Args:
        tier: How it is isolated.
        uid: User id it changes to, or None.
        execution: The program to run.
        resources: Its resource limits.
        places: What it sees and may write to.
        policy: One of `inside.seccomp`; used where the machine has filters.
        network: Whether it keeps the host's network.
    """
    return ProcessRequest(
        kernel=execution.kernel,
        argv=list(execution.argv),
        environment=dict(execution.environment),
        cwd=execution.cwd,
        own_root=tier.own_root,
        user_namespace=tier.own_root and uid is None,
        network=network,
        uid=uid,
        limits=resource_limits(tier, uid, resources.limits, resources.processes),
        memory=resources.memory_bytes,
        processes=resources.processes,
        disk=None if tier.in_memory else resources.disk_bytes,
        on_disk=() if tier.in_memory else places.on_disk,
        in_memory=places.in_memory if tier.in_memory else (),
        tmpfs=places.tmpfs,
        binds=places.binds,
        masks=places.masks,
        folders=places.folders,
        opened=places.opened,
        seccomp=policy if seccomp.supported() else None,
        landlock=places.landlock,
    )


def resource_limits(tier: IsolationTier, uid: int | None, limits: Mapping[str, int], processes: int) -> dict[str, int]:
    """Resource limits including that of processes, which is counted per user id and therefore needs a separate one."""
    counted = uid is not None or tier.own_root
    return {**limits, **({"RLIMIT_NPROC": processes} if counted else {})}
