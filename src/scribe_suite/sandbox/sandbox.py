"""Sandboxes: the private folders, limits and start of sandboxed processes."""

from __future__ import annotations

import functools
import json
import os
import secrets
import sys
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scribe_suite.errors import InfrastructureError
from scribe_suite.sandbox import fork_client
from scribe_suite.sandbox.cgroups import limiting_group
from scribe_suite.sandbox.inside import jupyter_kernel
from scribe_suite.sandbox.plain_start import start_plain
from scribe_suite.sandbox.processes import SandboxedProcess
from scribe_suite.sandbox.requests import LIMITS, Execution, Places, Resources, process_request
from scribe_suite.sandbox.runtime_folders import RuntimeFolder, remove_tree
from scribe_suite.sandbox.shared_modules import SharedModule
from scribe_suite.sandbox.tiers import IsolationTier
from scribe_suite.sandbox.visible_files import (
    HOST_FILES,
    WORK,
    environment,
    gpu_devices,
    inner_python,
    masks_over,
    read_only_binds,
    seen_folder,
    server_spec,
)

#: Limit for processes and threads of an isolated kernel; counted per user id, so only if the kernel has its own.
MAX_PROCESSES = 512
#: User ids for kernels when the harness is root; a random one for each harness process, so that the kernels of two of
#: them can't signal or count one another.
UID_RANGE = (20_000, 60_000)


@dataclass(frozen=True)
class ProcessLimits:
    """Resource limits of one sandboxed process and everything it starts.

    Attributes:
        address_space_bytes: Limit for each of its processes, or None. torch and transformer_lens need 3.1 GB.
        memory_bytes: Limit for all of its processes together, or None.
        tmp_bytes: Size of its in-memory ``/tmp``, where that is its own.
        shm_bytes: Size of its ``/dev/shm``, where that is its own.
        processes: Limit for processes and threads.
    """

    address_space_bytes: int | None = 8 << 30
    memory_bytes: int | None = 8 << 30
    tmp_bytes: int = 512 << 20
    shm_bytes: int = 256 << 20
    processes: int = MAX_PROCESSES


@dataclass(frozen=True)
class PrivateFolders:
    """The private folders of one process on the host, and where the process sees them.

    Attributes:
        root: Folder of the harness; it contains the others unless they are in memory.
        work: Working folder; with namespaces its initial content, since the folder itself is in memory.
        masks: Visible places that must be covered.
        read_only: Whether it may only read its folders, so that it can't fill memory or disk.
    """

    root: Path
    work: Path
    masks: tuple[str, ...]
    read_only: bool = False


class Sandbox:
    """A home for processes that share an isolation, a user id and working folders; a context manager.

    Args:
        tier: How they are isolated.
        preload: Modules that are already imported in kernels and forked programs, where there is a fork-server; None if
            neither is started.
        work_bytes: Limit for all working folders together, where they are in memory.
        hidden: Host folders and files that must be covered where they would be visible; they must exist when a process
            starts.
        shared: Modules with data that are already imported in kernels, and available as files in their working folders.
        gpu: Whether processes may use the GPUs of the machine.
        alone: Whether its processes have a user id that no other sandbox of this process has, where they have one of
            their own. The limit on processes counts all that a user id has: with a low one, another sandbox would use
            it up. ``/etc/passwd`` has no name for such a user id.

    Raises:
        InfrastructureError: With cause ``isolation_unavailable`` as in `visible_files.masks_over`.
    """

    def __init__(
        self,
        tier: IsolationTier,
        preload: tuple[str, ...] | None = (),
        work_bytes: int = 1 << 30,
        hidden: Sequence[Path] = (),
        shared: Sequence[SharedModule] = (),
        gpu: bool = False,
        alone: bool = False,
    ) -> None:
        self.tier = tier
        shared_uid = private_uid() if tier.own_uid else None
        self.uid = fresh_uid() if alone and shared_uid is not None else shared_uid
        self._preload = preload
        self._work_bytes = work_bytes
        self._hidden = tuple(hidden)
        self._shared = tuple(shared)
        self._gpu = gpu
        self._runtime: RuntimeFolder | None = None
        self._server: fork_client.ForkServer | None = None
        self._where: Path | None = None
        self._laid: tuple[Mapping[str, bytes], str] | None = None
        self._sources: dict[str, str] = {}
        self._processes: weakref.WeakSet[SandboxedProcess] = weakref.WeakSet()
        masks_over(self._hidden, tier)  # refused now rather than with the first process

    def warm_up(self) -> None:
        """Start the fork-server without waiting until it is ready; optional, since starting a process does it too.

        Raises:
            InfrastructureError: With cause ``fork_server`` when it can't be started.
        """
        if self._where is not None:
            return
        try:
            if fork_client.supported():
                # one server for all sandboxes of a kind, also for those that are alone
                uid = None if self.uid is None else private_uid()
                spec = server_spec(self.tier, uid, self._preload, self._shared, gpu=self._gpu)
                self._server = fork_client.shared_server(spec)
                self._where = self._server.new_folder("n")
                (self._where / "work").mkdir(mode=0o711)  # what a file system in memory is mounted on
            else:
                self._runtime = RuntimeFolder()
                self._where = self._runtime.path
        except OSError as error:
            raise InfrastructureError("fork_server", f"The fork-server could not be started: {error}.") from error

    @property
    def _home(self) -> Path:
        self.warm_up()
        assert self._where is not None
        return self._where

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    @property
    def healthy(self) -> bool:
        """Whether the server that starts processes is still running."""
        return self._server is None or self._server.alive

    def why_unhealthy(self) -> str:
        """A sentence about what ended it."""
        return self._server.last_words() if self._server is not None else ""

    def work_folder(self, name: str, files: Mapping[str, bytes]) -> Path:
        """Write files to a new working folder, which processes can then share.

        Args:
            name: The folder's name.
            files: Contents by relative path.

        Raises:
            OSError: When they can't be written.
        """
        folder = self._home / ("lay" if self.tier.in_memory else ".") / name
        if self.tier.in_memory and self._laid is not None and self._laid[0] is files:
            self._sources[name] = self._laid[1]  # copied in memory: however many there are, the disk has one
            return folder
        folder.mkdir(mode=0o700, parents=True)
        modules = dict(module.file(seen_folder(module, self.tier)) for module in self._shared)
        for relative, data in {**files, **modules}.items():
            path = folder / relative
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(data)
        self._give_all(folder)
        self._laid, self._sources[name] = (files, name), name
        return folder

    def private_folders(self, name: str, work: Path, read_only: bool = False) -> PrivateFolders:
        """Make the private folders of a process.

        Args:
            name: A process name that was never used before.
            work: From `work_folder`.
            read_only: As in `PrivateFolders`.

        Raises:
            InfrastructureError: As in `visible_files.masks_over`.
            OSError: When they can't be made.
        """
        root = self._home / name
        private = PrivateFolders(root, work, tuple(masks_over(self._hidden, self.tier)), read_only)
        root.mkdir(mode=0o711)
        (root / "tmp").mkdir(mode=0o700)
        self._give(root / "tmp")
        return private

    def _give(self, path: Path) -> None:
        """Make the processes the owner of a file or folder."""
        if self.uid is not None:
            os.chown(path, self.uid, self.uid, follow_symlinks=False)

    def _give_all(self, folder: Path) -> None:
        if self.uid is not None:
            for parent, _folders, files in os.walk(folder):
                for entry in (parent, *(str(Path(parent) / file) for file in files)):
                    os.chown(entry, self.uid, self.uid, follow_symlinks=False)

    def seen_places(self, private: PrivateFolders) -> dict[str, str]:
        """Where a process finds its ``work`` and ``tmp`` folders and its ``python`` environment."""
        python = str(Path(inner_python(self.tier)).parent.parent)
        if self.tier.in_memory:
            return {"work": WORK, "tmp": "/tmp", "python": python}
        return {"work": str(private.work), "tmp": str(private.root / "tmp"), "python": python}

    def start_kernel(
        self, private: PrivateFolders, launch: Mapping[str, Any], passed: Mapping[int, int], limits: ProcessLimits
    ) -> SandboxedProcess:
        """Start a Jupyter kernel.

        Args:
            private: Its private folders.
            launch: As in `inside.jupyter_kernel.run`.
            passed: Descriptors it is to have, by their number there; the caller's own can be closed afterwards.
            limits: Its resource limits.

        Raises:
            InfrastructureError: With cause ``fork_server`` when that is gone.
            OSError: When it can't be started.
        """
        if self._server is None:
            script = str(Path(jupyter_kernel.__file__).resolve())
            return self._start_plain(private, [script], limits, passed, {"SCRIBE_KERNEL": json.dumps(launch)})
        execution = Execution(self._environment(private), self._seen_work(private), kernel=launch)
        return self._spawn(private, execution, limits, self.tier.kind.kernel_filter, passed)

    def start_python(
        self,
        private: PrivateFolders,
        arguments: Sequence[str],
        limits: ProcessLimits,
        policy: str | None = None,
        passed: Mapping[int, int] | None = None,
    ) -> SandboxedProcess:
        """Start Python.

        Args:
            private: Its private folders.
            arguments: What follows ``python`` on its command line.
            limits: Its resource limits.
            passed: As in `start_kernel`.
            policy: A policy of `inside.seccomp` in place of the tier's; not with Landlock, which needs its own.

        Raises:
            InfrastructureError: With cause ``fork_server`` when that is gone.
            OSError: When it can't be started.
        """
        named = self._policy(policy)
        if self._server is None:
            return self._start_plain(private, arguments, limits, passed or {})
        argv = [inner_python(self.tier), *arguments]
        execution = Execution(self._environment(private), self._seen_work(private), argv=argv)
        return self._spawn(private, execution, limits, named, passed or {})

    def start_forked(
        self,
        private: PrivateFolders,
        code: str,
        arguments: Sequence[str],
        limits: ProcessLimits,
        policy: str | None = None,
        passed: Mapping[int, int] | None = None,
    ) -> SandboxedProcess:
        """Run a program with the sandbox's preloaded modules; it starts in a tenth of a second.

        Without a fork-server it imports them itself.

        Args:
            private: Its private folders.
            code: Python source.
            arguments: Its ``sys.argv`` after its name.
            limits: Its resource limits.
            policy: As in `start_python`.
            passed: As in `start_kernel`.

        Raises:
            InfrastructureError: With cause ``fork_server`` when that is gone.
            OSError: When it can't be started.
        """
        if self._server is None:
            return self._start_plain(private, ["-I", "-c", code, *arguments], limits, passed or {})
        launch = {"code": code, "arguments": list(arguments)}
        execution = Execution(self._environment(private), self._seen_work(private), kernel=launch)
        return self._spawn(private, execution, limits, self._policy(policy), passed or {})

    def _policy(self, named: str | None) -> str | None:
        """The policy in place of the tier's own, where one is named."""
        if named is not None and self.tier.landlock:
            raise ValueError("what Landlock leaves open needs the tier's own policy")
        return named or self.tier.kind.kernel_filter

    def kill(self) -> None:
        """Kill everything that was started here, and wait for its end. Callable from any thread."""
        for process in list(self._processes):
            process.kill()
        for process in list(self._processes):
            process.close()

    def close(self) -> None:
        """Remove all folders; processes in them must have been closed. May be called twice."""
        if self._where is None:
            return
        if self._server is not None and self.tier.in_memory:
            self._server.release(self._where)
        if self._runtime is not None:
            self._runtime.remove()
        else:
            remove_tree(self._where)

    def _environment(self, private: PrivateFolders) -> dict[str, str]:
        if self.tier.in_memory:
            return environment(self.tier, WORK, "/tmp", gpu=self._gpu)
        return environment(self.tier, str(private.work), str(private.root / "tmp"), gpu=self._gpu)

    def _limits(self, limits: ProcessLimits) -> dict[str, int]:
        values = dict(LIMITS)
        if limits.address_space_bytes is not None:
            values["RLIMIT_AS"] = limits.address_space_bytes
        return values

    def _seen_work(self, private: PrivateFolders) -> str:
        return WORK if self.tier.in_memory else str(private.work)

    def _spawn(
        self,
        private: PrivateFolders,
        execution: Execution,
        limits: ProcessLimits,
        policy: str | None,
        passed: Mapping[int, int],
    ) -> SandboxedProcess:
        assert self._server is not None
        tmpfs = {"/tmp": limits.tmp_bytes, "/dev/shm": limits.shm_bytes}
        disk_bytes = self._work_bytes + limits.tmp_bytes
        resources = Resources(self._limits(limits), limits.memory_bytes, limits.processes, disk_bytes)
        places = Places(
            on_disk=[str(self._home)],
            in_memory=[*tmpfs, *([] if private.read_only else [WORK])],
            tmpfs=tmpfs,
            binds=self._binds(private),
            masks=private.masks,
            folders=self._folders(private),
            landlock=self._landlock_rules(private) if self.tier.landlock else None,
        )
        request = process_request(self.tier, self.uid, execution, resources, places, policy=policy, network=False)
        group = limiting_group(self.tier.limits, limits.memory_bytes, limits.processes)
        process = self._server.spawn(request, passed, group)
        self._processes.add(process)
        return process

    def _folders(self, private: PrivateFolders) -> list[dict[str, Any]]:
        """The in-memory folders: the working folder."""
        if not self.tier.in_memory or private.read_only:
            return []
        home, work = self._home.name, private.work.name
        return [
            {
                "uid": self.uid,
                "mount": f"{home}/work",
                "size": self._work_bytes,
                "folder": f"{home}/work/{work}",
                "source": f"{home}/lay/{self._sources[work]}",
            }
        ]

    def _binds(self, private: PrivateFolders) -> list[tuple[str, str, bool]]:
        if not self.tier.in_memory:
            return []
        home, work = self._home.name, private.work.name
        source = self._sources[work]
        return [(f"{home}/lay/{source}", WORK, False) if private.read_only else (f"{home}/work/{work}", WORK, True)]

    def _landlock_rules(self, private: PrivateFolders) -> dict[str, list[str]]:
        writable = [] if private.read_only else [str(private.work), str(private.root / "tmp")]
        read_only = [source for source, _place in read_only_binds()] + [*HOST_FILES, "/proc/self"]
        read_only += [str(module.folder.resolve()) for module in self._shared]
        if private.read_only:
            read_only.append(str(private.work))
        devices = gpu_devices() if self._gpu else ()
        hidden = [str(path.resolve()) for path in self._hidden]
        return {"read_only": read_only, "writable": [*writable, "/dev/null", *devices], "hidden": hidden}

    def _start_plain(
        self,
        private: PrivateFolders,
        arguments: Sequence[str],
        limits: ProcessLimits,
        passed: Mapping[int, int],
        environment: Mapping[str, str] | None = None,
    ) -> SandboxedProcess:
        whole = {**self._environment(private), **(environment or {})}
        process = start_plain([sys.executable, *arguments], private.work, whole, self._limits(limits), passed)
        self._processes.add(process)
        return process


@functools.cache
def private_uid() -> int | None:
    """A user id for the kernels of this process if it is root and may change to it, else None."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return None
    mapped = [line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()]
    low, high = UID_RANGE
    if any(int(inside) <= low and high <= int(inside) + int(count) for inside, _outside, count in mapped):
        return low + secrets.randbelow(high - low)
    return None


def fresh_uid() -> int:
    """A user id that no kernel has, for one program of an agent or a sandbox alone; only if `private_uid` has one."""
    low, high = UID_RANGE
    while (uid := low + secrets.randbelow(high - low)) == private_uid():
        continue
    return uid
