"""Which tier of isolation works here: determined by starting Python in it and trying to escape."""

from __future__ import annotations

import errno
import functools
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from scribe_suite.errors import InfrastructureError
from scribe_suite.sandbox import cgroups
from scribe_suite.sandbox.escape_table import ESCAPES, TRIAL_HIDDEN, TRIAL_WORK_BYTES, try_escapes
from scribe_suite.sandbox.inside import landlock, seccomp
from scribe_suite.sandbox.sandbox import Sandbox, private_uid
from scribe_suite.sandbox.tiers import TIERS, WITHOUT, Isolation, IsolationTier, Requirement, TierName
from scribe_suite.sandbox.visible_files import RESERVED


def probe_isolation(requested: Isolation) -> IsolationTier:
    """The tier for kernels, tested by trying to escape from it, once per process.

    Args:
        requested: ``auto`` for the best that works, ``strict`` for namespaces or an error, ``none`` for none.

    Returns:
        The tier, with the reasons why no better one is used.

    Raises:
        InfrastructureError: With cause ``isolation_unavailable`` when ``strict`` is not available.
    """
    if requested == "none":
        return IsolationTier(WITHOUT, ("isolation none was asked for",), gaps=tuple(ESCAPES))
    tier = best_tier()
    if requested == "strict" and not tier.strict:
        raise InfrastructureError(
            "isolation_unavailable",
            f"Kernels can't be isolated with namespaces here ({'; '.join(tier.reasons)}); run `scribe-suite doctor` to "
            "see what would help, or use --isolation auto or none.",
        )
    return tier


@functools.cache
def best_tier() -> IsolationTier:
    """The best tier that works here, with the reasons against the better ones."""
    reasons: list[str] = []
    for kind in TIERS.values():
        if not kind.confined:
            continue
        tier, reason = try_tier(kind.name)
        if tier is not None:
            return replace(tier, reasons=tuple(reasons))
        reasons.append(f"{kind.name}: {reason}")
    return IsolationTier(WITHOUT, tuple(reasons), gaps=tuple(ESCAPES))


def try_tier(name: TierName) -> tuple[IsolationTier | None, str]:
    """A tier with the findings about it, or None and why it is not available."""
    for requirement in TIERS[name].requirements:
        if missing := CHECKS[requirement]():
            return None, missing
    reasons: list[str] = []
    for own_uid in _ways():
        tier = IsolationTier(name, own_uid=own_uid, limits=cgroups.probe()[0])
        try:
            with Sandbox(tier, preload=None, work_bytes=TRIAL_WORK_BYTES, hidden=(TRIAL_HIDDEN,)) as sandbox:
                succeeded = try_escapes(sandbox)
        except (InfrastructureError, OSError, RuntimeError, ValueError) as error:
            reasons.append(refusal(str(error)))
            continue
        broken = [escape for escape in succeeded if ESCAPES[escape].prevented_in(tier.kind)]
        if not broken:
            return IsolationTier(name, (), own_uid, tuple(succeeded), tier.limits), ""
        reasons.append("; ".join(f"code in it could {ESCAPES[escape].what}" for escape in broken))
    return None, "; ".join(dict.fromkeys(reasons))


def _ways() -> tuple[bool, ...]:
    """Whether kernels could have their own user id, the best way first."""
    if private_uid() is None:
        return (False,)
    # root in a container may lack the capability for that, and another user may not reach a Python in root's home
    return (True, False)


def _no_linux() -> str:
    return "" if sys.platform == "linux" else f"needs Linux, this is {sys.platform}"


def _no_filter() -> str:
    if seccomp.supported():
        return ""
    return "this machine's kernel or processor has no filter of system calls (seccomp) that is known here"


def _no_landlock() -> str:
    if landlock.abi() > 0:
        return ""
    return "the kernel has no Landlock (Linux 5.13, and lsm=landlock among its parameters)"


def _python_in_the_way() -> str:
    base = Path(sys.base_prefix).resolve()
    if not any(base.is_relative_to(place) for place in RESERVED):
        return ""
    return f"the base Python lies in {base}, where the sandbox keeps its own folders"


#: What is missing for a requirement of a tier, as a clause, or an empty string.
CHECKS: dict[Requirement, Callable[[], str]] = {
    Requirement.LINUX: _no_linux,
    Requirement.FILTER: _no_filter,
    Requirement.LANDLOCK: _no_landlock,
    Requirement.PYTHON_ELSEWHERE: _python_in_the_way,
}


def refusal(line: str) -> str:
    """Why namespaces were refused, from the last line of a trial start; too many of them look like a full disk."""
    if f"[Errno {errno.ENOSPC}]" in line and "unshare with a user namespace" in line:
        return f"the limit user.max_user_namespaces is reached, raise it with sysctl: {line}"
    return line
