"""Advice on how to get a better tier of isolation, from the machine's own settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scribe_suite.sandbox.tiers import IsolationTier


@dataclass(frozen=True)
class Machine:
    """Where to look.

    Attributes:
        root: Root of the file system; tests use another one.
        platform: As `sys.platform`.
        is_root: Whether this process is root.
    """

    root: Path = Path("/")
    platform: str = sys.platform
    is_root: bool = os.name == "posix" and os.geteuid() == 0

    def setting(self, name: str) -> str | None:
        """A kernel setting by its sysctl name, or None."""
        try:
            return (self.root / "proc/sys" / name.replace(".", "/")).read_text().strip()
        except OSError:
            return None

    @property
    def in_container(self) -> bool:
        """Whether Docker or Podman started this."""
        return any((self.root / name).exists() for name in (".dockerenv", "run/.containerenv"))


def _apparmor(machine: Machine) -> str | None:
    if machine.is_root or machine.setting("kernel.apparmor_restrict_unprivileged_userns") != "1":
        return None
    return (
        "AppArmor refuses user namespaces to ordinary programs, as Ubuntu has done since 23.10. Allow them until the "
        "next start with `sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`; to keep that, write the line "
        "`kernel.apparmor_restrict_unprivileged_userns=0` to a file in /etc/sysctl.d. On a CI runner, make it a step "
        "before the tests."
    )


def _debian_switch(machine: Machine) -> str | None:
    if machine.is_root or machine.setting("kernel.unprivileged_userns_clone") != "0":
        return None
    return (
        "User namespaces are switched off for ordinary users. Allow them with `sudo sysctl -w "
        "kernel.unprivileged_userns_clone=1`."
    )


def _no_namespaces_left(machine: Machine) -> str | None:
    if machine.setting("user.max_user_namespaces") != "0":
        return None
    return (
        "No user namespaces may be made here. Raise the limit with `sudo sysctl -w user.max_user_namespaces=15000`, or "
        "run as root, which needs none."
    )


def _container(machine: Machine) -> str | None:
    if not machine.in_container:
        return None
    return (
        "This is a container, whose own filter forbids making namespaces. Start it with `--security-opt "
        "seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined`, or, if you "
        "trust it with more, with `--cap-add SYS_ADMIN`. Its kernels are still isolated from it and from one another."
    )


def _not_linux(machine: Machine) -> str | None:
    if machine.platform == "linux":
        return None
    return (
        "Kernels are isolated on Linux only. Run the benchmark in a Linux virtual machine or container (on macOS for "
        "example with Lima, Colima or Docker Desktop); without, agents can read the answer keys, so use it for trying "
        "things out."
    )


_FOR_TIER: tuple[Callable[[Machine], str | None], ...] = (
    _not_linux,
    _apparmor,
    _debian_switch,
    _no_namespaces_left,
    _container,
)
_UNKNOWN = (
    "Nothing this command knows explains it. Run as root if you can: then no user namespace is needed; or look for a "
    "security module or a container that forbids `unshare` and `mount`."
)
_LIMITS = (
    "Control groups can't be used to limit {missing} of a kernel as a whole{why}; memory is watched from outside "
    "instead, twice a second. To have them as an ordinary user, start the benchmark with `systemd-run --user --scope "
    "-p Delegate=yes pytest ...`."
)


def advise(tier: IsolationTier, machine: Machine | None = None, limits_reason: str = "") -> list[str]:
    """Advice for a better tier, or for limits that are not enforced.

    Args:
        tier: The tier that was found.
        machine: The machine.
        limits_reason: Why control groups can't be used.

    Returns:
        Sentences; empty when there is nothing to gain.
    """
    machine = machine or Machine()
    advice: list[str] = []
    if not tier.strict:
        advice = [text for check in _FOR_TIER if (text := check(machine)) is not None] or [_UNKNOWN]
    missing = [what for what in ("memory", "pids") if what not in tier.limits]
    if missing and machine.platform == "linux":
        names = " and ".join({"memory": "memory", "pids": "the number of processes"}[what] for what in missing)
        advice.append(_LIMITS.format(missing=names, why=f" ({limits_reason})" if limits_reason else ""))
    return advice
