"""What a sandboxed process is shown of the host: Python, the system libraries, its environment; and what is covered."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from scribe_suite.errors import InfrastructureError
from scribe_suite.paths import installation, is_installed
from scribe_suite.sandbox.fork_client import ServerSpec
from scribe_suite.sandbox.shared_modules import SharedModule
from scribe_suite.sandbox.tiers import IsolationTier

WORK, ENVIRONMENT, SHARED = "/work", "/env", "/shared"
#: Places the sandbox makes itself, where nothing of the host can be shown at its own path.
RESERVED = (WORK, ENVIRONMENT, SHARED, "/proc", "/dev", "/etc", "/slots", "/sandbox")
SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts")
#: What else Python and its libraries read, where the host's own file system is all there is.
HOST_FILES = (
    "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/version", "/proc/filesystems", "/proc/loadavg",
    "/proc/sys/kernel/osrelease", "/proc/sys/vm/overcommit_memory", "/sys/devices/system/cpu", "/dev/zero",
    "/dev/full", "/dev/random", "/dev/urandom", "/etc/localtime", "/etc/ssl/openssl.cnf",
)  # fmt: skip
HOSTS = "127.0.0.1 localhost notebook\n"
USERS = "root:x:0:0::/:/bin/sh\nscribe:x:{uid}:{uid}::/work:/bin/sh\n"
GROUPS = "root:x:0:\nscribe:x:{uid}:\n"
#: User id of a kernel in a user namespace.
INNER_UID = 1000


def in_virtual_environment() -> bool:
    """Whether this Python runs from a virtual environment."""
    return sys.prefix != sys.base_prefix


def inner_python(tier: IsolationTier) -> str:
    """Path of the kernels' Python, as they see it."""
    if tier.own_root and in_virtual_environment():
        return f"{ENVIRONMENT}/bin/{Path(sys.executable).name}"
    return sys.executable


def environment(tier: IsolationTier, work: str, tmp: str, *, gpu: bool = False) -> dict[str, str]:
    """The whole environment of a kernel: a list of our own, nothing inherited.

    Args:
        tier: Its isolation.
        work: Its working folder, as it sees it.
        tmp: Its folder for temporary files, as it sees it.
        gpu: Whether it may use the GPUs of the machine.
    """
    one_thread = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    offline = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY")
    return {
        "PATH": f"{Path(inner_python(tier)).parent}:/usr/local/bin:/usr/bin:/bin",
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
        # asked of the driver's library, so that a fork-server does not touch CUDA, which can't be forked once in use
        **({"PYTORCH_NVML_BASED_CUDA_CHECK": "1"} if gpu else {"CUDA_VISIBLE_DEVICES": ""}),
    }


def gpu_devices() -> tuple[str, ...]:
    """Device files of NVIDIA's driver on this machine."""
    folders = (Path("/dev"), Path("/dev/nvidia-caps"))
    return tuple(str(path) for folder in folders for path in sorted(folder.glob("nvidia*")) if not path.is_dir())


def seen_folder(module: SharedModule, tier: IsolationTier) -> str:
    """Where kernels see the folder of a shared module."""
    return f"{SHARED}/{module.name}" if tier.own_root else str(module.folder)


def server_spec(
    tier: IsolationTier,
    uid: int | None,
    preload: tuple[str, ...] | None,
    shared: Sequence[SharedModule] = (),
    *,
    gpu: bool = False,
) -> ServerSpec:
    """The specification of a fork-server for a tier.

    Args:
        tier: Isolation of its processes.
        uid: User id they change to, or None.
        preload: As in `ServerSpec`.
        shared: Modules with data that kernels find imported.
        gpu: Whether its processes may use the GPUs of the machine.
    """
    spec = ServerSpec(
        own_root=tier.own_root,
        passable=tier.landlock,
        user_namespace=tier.own_root and uid is None,
        python=inner_python(tier),
        environment=environment(tier, "/", "/tmp", gpu=gpu),
        preload=preload,
        shared=tuple((module.name, module.source, seen_folder(module, tier)) for module in shared),
    )
    if not tier.own_root:
        return spec
    inner = INNER_UID if uid is None else uid
    return ServerSpec(
        **{
            **spec.__dict__,
            "read_only": (
                *read_only_binds(),
                *((str(module.folder.resolve()), seen_folder(module, tier)) for module in shared),
            ),
            # the package in the environment, with its suite: the server has no need to see it either
            "emptied": masks_over((installation(),), tier) if is_installed() else (),
            "texts": {
                "/etc/hosts": HOSTS,
                "/etc/passwd": USERS.format(uid=inner),
                "/etc/group": GROUPS.format(uid=inner),
            },
            "devices": gpu_devices() if gpu else (),
            "links": {name: str(Path(name).readlink()) for name in SYSTEM_FOLDERS if Path(name).is_symlink()},
        }
    )


def read_only_binds() -> list[tuple[str, str]]:
    """Host paths that every kernel is shown, and the places where it sees them."""
    binds = [(name, name) for name in SYSTEM_FOLDERS if Path(name).is_dir() and not Path(name).is_symlink()]
    binds += [(name, name) for name in SYSTEM_FILES if Path(name).exists()]
    # The base Python is found by the absolute path in pyvenv.cfg and in bin/python, so it must keep its place.
    base = Path(sys.base_prefix).resolve()
    if not any(base.is_relative_to(folder) for folder in SYSTEM_FOLDERS):
        binds.append((str(base), str(base)))
    if in_virtual_environment():
        binds.append((str(Path(sys.prefix).resolve()), ENVIRONMENT))
    return binds


def masks_over(
    hidden: Sequence[Path], tier: IsolationTier, binds: Sequence[tuple[str, str]] | None = None
) -> list[str]:
    """Places inside the sandbox that must be covered, because a folder shown there has something hidden below it.

    A shown folder that lies inside a hidden one, as the environment in a checkout does, is shown all the same.

    Args:
        hidden: Folders and files on the host; links are followed.
        tier: Isolation of the kernels.
        binds: What is shown, and where; by default what every kernel is.

    Returns:
        Paths as a kernel would see them; none where nothing can be covered, and Landlock leaves them out instead.

    Raises:
        InfrastructureError: With cause ``isolation_unavailable`` when a kernel can't start without what is hidden.
    """
    if not tier.confined:
        return []
    python = Path(sys.base_prefix).resolve()
    masks = []
    for folder in dict.fromkeys(path.resolve() for path in hidden):
        for source, target in read_only_binds() if binds is None else binds:
            place = Path(source).resolve()
            if not folder.is_relative_to(place):
                continue
            mask = Path(target) / folder.relative_to(place)
            if folder == place or python.is_relative_to(mask if tier.own_root else folder):
                raise InfrastructureError(
                    "isolation_unavailable",
                    f"{folder} must be hidden from kernels, but they can't start without {target}; move the checkout, "
                    "the attempt folder and models to places of their own, or use --isolation none.",
                )
            if tier.own_root:
                masks.append(str(mask))
    return list(dict.fromkeys(masks))
