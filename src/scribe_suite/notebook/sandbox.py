"""How isolated a kernel is: tiers, the probe that finds the best one that works, and the start of a kernel process.

The tier ``namespaces`` needs neither Docker nor bubblewrap: `launcher` gives the kernel user, mount, PID, network,
IPC and UTS namespaces of its own and a root file system with nothing in it but Python, the system libraries (both
read-only) and its private working folder. The tier ``none`` has the limits and the clean environment, and sees what
the user sees.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook import launcher
from scribe_suite.notebook.config import Isolation

WORK, IPC, ENVIRONMENT = "/work", "/ipc", "/env"
#: Places the sandbox makes itself, where nothing of the host can be shown at its own path.
RESERVED = (WORK, IPC, ENVIRONMENT, "/proc", "/dev", "/etc")
SHARED_MEMORY_BYTES = 256 << 20
SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts")
TEXTS = {
    "/etc/passwd": "root:x:0:0::/:/bin/sh\nscribe:x:{uid}:{uid}::/work:/bin/sh\n",
    "/etc/group": "root:x:0:\nscribe:x:{uid}:\n",
    "/etc/hosts": "127.0.0.1 localhost notebook\n",
}
#: Limits of every kernel process, on top of the address space from the configuration.
LIMITS = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": 1 << 30, "RLIMIT_NOFILE": 4096}
#: Processes and threads of an isolated kernel; counted per user id, so only where the kernel has its own.
MAX_PROCESSES = 512
#: User ids for kernels when the harness is root; a random one each, so that they can't signal or count one another.
UID_RANGE = (20_000, 60_000)


@dataclass(frozen=True)
class IsolationTier:
    """What isolates the kernels.

    Attributes:
        name: ``namespaces`` or ``none``.
        reasons: Why it is not a better tier; empty for the best.
        own_uid: Whether a kernel gets a user id of its own (a harness that is root can give it one), rather than being
            the harness's user in a user namespace.
    """

    name: Literal["namespaces", "none"]
    reasons: tuple[str, ...] = ()
    own_uid: bool = False


@dataclass(frozen=True)
class LaunchSpec:
    """What `launcher` is told, as JSON on its stdin."""

    namespaces: bool
    parent: int
    argv: Sequence[str]
    cwd: str
    limits: Mapping[str, int]
    uid: int | None = None
    stage: str = ""
    tmpfs: Mapping[str, int] = field(default_factory=dict)
    read_only: Sequence[tuple[str, str]] = ()
    masks: Sequence[str] = ()
    writable: Sequence[tuple[str, str]] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Slot:
    """The private folders of one kernel on the host, and where the kernel sees them.

    Attributes:
        tier: Isolation of the kernel.
        root: Folder that holds the others; only the harness may enter.
        work: Working folder.
        ipc: Folder of the connection file and sockets.
        uid: User id to change to, or None to keep one's own.
        hidden: Host folders the kernel may not see, even below a folder that it is shown.
        read_only: Whether an isolated kernel may only read its folders, so that nothing it does fills the host's disk.
    """

    tier: IsolationTier
    root: Path
    work: Path
    ipc: Path
    uid: int | None
    hidden: tuple[Path, ...] = ()
    read_only: bool = False

    @classmethod
    def create(
        cls, tier: IsolationTier, root: Path, work: Path, uid: int | None, hidden: tuple[Path, ...] = ()
    ) -> Slot:
        """Make the folders of a kernel, which may reuse the working folder of an earlier one."""
        slot = cls(tier, root, work, root / "ipc", uid, hidden)
        for folder in (root, root / "stage", root / "tmp", slot.ipc):
            folder.mkdir(mode=0o700)
        for folder in (root / "tmp", slot.ipc):
            slot.give(folder)
        return slot

    def give(self, path: Path) -> None:
        """Make a file or folder the kernel's own."""
        if self.uid is not None:
            os.chown(path, self.uid, self.uid)

    def seen(self, path: Path) -> str:
        """Where the kernel finds a file of its working or ipc folder."""
        if self.tier.name == "none":
            return str(path)
        for folder, place in ((self.work, WORK), (self.ipc, IPC)):
            if path.is_relative_to(folder):
                return str(Path(place) / path.relative_to(folder))
        raise ValueError(f"{path} is in no folder the kernel sees")


def private_uid() -> int | None:
    """A user id for one kernel when the harness is root and may change to it, else None."""
    if os.geteuid() != 0:
        return None
    mapped = [line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()]
    low, high = UID_RANGE
    if any(int(inside) <= low and high <= int(inside) + int(count) for inside, _outside, count in mapped):
        return low + secrets.randbelow(high - low)
    return None


def kernel_environment(tier: IsolationTier, slot: Slot) -> dict[str, str]:
    """The whole environment of a kernel: a list of our own, nothing inherited."""
    work = slot.seen(slot.work)
    isolated = tier.name == "namespaces"
    tmp = "/tmp" if isolated else str(slot.root / "tmp")
    scripts = f"{ENVIRONMENT}/bin" if isolated and in_virtual_environment() else str(Path(sys.executable).parent)
    one_thread = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    offline = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY")
    return {
        "PATH": f"{scripts}:/usr/local/bin:/usr/bin:/bin",
        "HOME": work,
        "USER": "scribe",
        "LOGNAME": "scribe",
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "TMPDIR": tmp,
        "IPYTHONDIR": f"{tmp}/.ipython",
        "JUPYTER_RUNTIME_DIR": f"{tmp}/.jupyter",
        "JUPYTER_PLATFORM_DIRS": "1",
        "MPLCONFIGDIR": f"{tmp}/.matplotlib",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "XDG_CACHE_HOME": f"{tmp}/.cache",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONSAFEPATH": "1",
        "TOKENIZERS_PARALLELISM": "false",
        **dict.fromkeys(one_thread + offline, "1"),
    }


def in_virtual_environment() -> bool:
    """Whether this Python runs from a virtual environment."""
    return sys.prefix != sys.base_prefix


def launch(
    slot: Slot,
    arguments: Sequence[str],
    log: Path,
    memory_limit: int | None,
    tmp_limit: int,
    tighter: Mapping[str, int] | None = None,
) -> subprocess.Popen[bytes]:
    """Start Python in a slot.

    The thread that calls this must outlive the process: Linux sends the parent-death signal when the thread ends.

    Args:
        slot: Where it lives.
        arguments: What follows ``python`` on its command line.
        log: File for its stdout and stderr.
        memory_limit: Bytes of address space, or None.
        tmp_limit: Bytes of its ``/tmp``, where that is its own.
        tighter: Resource limits by name, in place of those that every kernel has.

    Returns:
        The launcher's process. It ends as the kernel does (128 + N for a signal N); SIGINT reaches the kernel, SIGKILL
        ends everything inside.

    Raises:
        InfrastructureError: As in `masks_over`.
        OSError: When it can't be started.
    """
    spec = _specification(slot, arguments, memory_limit, tmp_limit)
    spec = replace(spec, limits={**spec.limits, **(tighter or {})})
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", launcher.__file__],
            stdin=subprocess.PIPE,
            stdout=sink,
            stderr=sink,
            env=kernel_environment(slot.tier, slot),
            cwd="/",
            start_new_session=True,
        )
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(asdict(spec)).encode())
        process.stdin.close()
    except BrokenPipeError:
        pass  # it has died already; whoever waits for the kernel will see that
    return process


def _specification(slot: Slot, arguments: Sequence[str], memory_limit: int | None, tmp_limit: int) -> LaunchSpec:
    limits = dict(LIMITS)
    if memory_limit is not None:
        limits["RLIMIT_AS"] = memory_limit
    if slot.tier.name == "none":
        return LaunchSpec(False, os.getpid(), [sys.executable, *arguments], str(slot.work), limits)
    limits["RLIMIT_NPROC"] = MAX_PROCESSES
    folders = [(str(slot.work), WORK), (str(slot.ipc), IPC)]
    python = f"{ENVIRONMENT}/bin/{Path(sys.executable).name}" if in_virtual_environment() else sys.executable
    inner_uid = slot.uid if slot.uid is not None else 1000
    return LaunchSpec(
        namespaces=True,
        parent=os.getpid(),
        argv=[python, *arguments],
        cwd=WORK,
        limits=limits,
        uid=slot.uid,
        stage=str(slot.root / "stage"),
        tmpfs={"/tmp": tmp_limit, "/dev/shm": SHARED_MEMORY_BYTES},
        read_only=_read_only_binds() + (folders if slot.read_only else []),
        masks=masks_over(slot.hidden),
        writable=[] if slot.read_only else folders,
        texts={name: text.format(uid=inner_uid) for name, text in TEXTS.items()},
        links={name: str(Path(name).readlink()) for name in SYSTEM_FOLDERS if Path(name).is_symlink()},
    )


def _read_only_binds() -> list[tuple[str, str]]:
    binds = [(name, name) for name in SYSTEM_FOLDERS if Path(name).is_dir() and not Path(name).is_symlink()]
    binds += [(name, name) for name in SYSTEM_FILES if Path(name).exists()]
    # The base Python is found by the absolute path in pyvenv.cfg and in bin/python, so it must keep its place.
    base = Path(sys.base_prefix).resolve()
    if not any(base.is_relative_to(folder) for folder in SYSTEM_FOLDERS):
        binds.append((str(base), str(base)))
    if in_virtual_environment():
        binds.append((str(Path(sys.prefix).resolve()), ENVIRONMENT))
    return binds


def masks_over(hidden: Sequence[Path]) -> list[str]:
    """Places inside the sandbox that must be covered, because a folder shown there has a hidden one below it.

    A shown folder that lies inside a hidden one, as the environment in a checkout does, is shown all the same.

    Args:
        hidden: Folders on the host; links are followed.

    Returns:
        Paths as a kernel would see them.

    Raises:
        InfrastructureError: With cause ``isolation_unavailable`` when a kernel can't start without a hidden folder.
    """
    python = Path(sys.base_prefix).resolve()
    masks = []
    for folder in dict.fromkeys(path.resolve() for path in hidden):
        for source, target in _read_only_binds():
            place = Path(source).resolve()
            if not folder.is_relative_to(place):
                continue
            mask = Path(target) / folder.relative_to(place)
            if folder == place or python.is_relative_to(mask):
                raise InfrastructureError(
                    "isolation_unavailable",
                    f"{folder} must be hidden from kernels, but they can't start without {target}; move the checkout "
                    "and the attempt folder to a place of their own, or use --isolation none.",
                )
            masks.append(str(mask))
    return masks


_PROBE = """
import importlib.util, os, socket, sys
if importlib.util.find_spec("ipykernel") is None:
    sys.exit("ipykernel can't be found inside")
socket.socket().bind(("127.0.0.1", 0))
open("/work/probe", "w").close()
open("/ipc/probe", "w").close()
if os.getppid() != 1:
    sys.exit("the PID namespace is not in force")
"""


def probe_isolation(requested: Isolation) -> IsolationTier:
    """The tier that kernels get: really tried, by starting Python in it once per process.

    Args:
        requested: ``auto`` for the best that works, ``strict`` for namespaces or an error, ``none`` for none.

    Returns:
        The tier, with the reasons why it is not a better one.

    Raises:
        InfrastructureError: With cause ``isolation_unavailable`` when ``strict`` can't be had.
    """
    if requested == "none":
        return IsolationTier("none", ("isolation none was asked for",))
    tier, reason = _best_tier()
    if tier is not None:
        return tier
    if requested == "strict":
        raise InfrastructureError(
            "isolation_unavailable",
            f"Kernels can't be isolated with namespaces here ({reason}); allow unprivileged user namespaces, or use "
            "--isolation auto or none.",
        )
    return IsolationTier("none", (reason,))


@functools.cache
def _best_tier() -> tuple[IsolationTier | None, str]:
    """The best kind of namespaces that works here, or None and why none does."""
    if sys.platform != "linux":
        return None, f"namespaces need Linux, this is {sys.platform}"
    base = Path(sys.base_prefix).resolve()
    if any(base.is_relative_to(place) for place in RESERVED):
        return None, f"the base Python lies in {base}, where the sandbox keeps its own folders"
    reason = ""
    uids = [None] if private_uid() is None else [private_uid(), None]
    for uid in uids:  # root in a container may lack the capability for the first and be allowed the second
        tier = IsolationTier("namespaces", own_uid=uid is not None)
        reason = _try_namespaces(tier, uid) or ""
        if not reason:
            return tier, ""
    return None, reason


def _try_namespaces(tier: IsolationTier, uid: int | None) -> str | None:
    """Start Python isolated and let it look around; what failed, or None."""
    folder = Path(tempfile.mkdtemp(prefix="scribe-probe-", dir=short_temporary_folder()))
    try:
        work = folder / "work"
        work.mkdir(mode=0o700)
        slot = Slot.create(tier, folder / "slot", work, uid)
        slot.give(work)
        process = launch(slot, ["-c", _PROBE], folder / "log", None, 1 << 20)
        try:
            code = process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return "the trial start did not end within 30 s"
        if code == 0:
            return None
        lines = (folder / "log").read_text(errors="replace").strip().splitlines()
        return refusal(lines[-1]) if lines else f"the trial start ended with exit code {code}"
    except OSError as error:
        return str(error)
    finally:
        remove_tree(folder)


def refusal(line: str) -> str:
    """Why namespaces were refused, from the last line of a trial start; a full table of them reads like a full disk."""
    if f"[Errno {errno.ENOSPC}]" in line and "unshare with a user namespace" in line:
        return f"the limit user.max_user_namespaces is reached, raise it with sysctl: {line}"
    return line


def short_temporary_folder() -> Path:
    """A folder for sockets, whose whole path may have 107 bytes: the usual temporary folder unless that is long."""
    usual = Path(tempfile.gettempdir())
    return usual if len(str(usual)) <= 40 else Path("/tmp")


def remove_tree(folder: Path) -> None:
    """Remove a folder that a kernel may have filled: unreadable parts and any depth included."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):  # they don't recurse
            subprocess.run([*command, "--", str(folder)], stderr=subprocess.DEVNULL, check=False)
