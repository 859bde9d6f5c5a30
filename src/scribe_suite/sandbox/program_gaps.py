"""What an agent's program can reach beyond its needs, by tier: known properties of the tiers, not measured here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scribe_suite.sandbox.inside import landlock
from scribe_suite.sandbox.launching import PROGRAM_LIMITS
from scribe_suite.sandbox.requests import LIMITS
from scribe_suite.sandbox.tiers import TIERS, IsolationTier


@dataclass(frozen=True)
class Gap:
    """One thing that an agent's program can do.

    Attributes:
        what: For readers, as the end of "agents' programs can ...".
        possible: Whether it is possible in a tier, given a version of Landlock.
    """

    what: str
    possible: Callable[[IsolationTier, int], bool]


GAPS: dict[str, Gap] = {
    "read_files": Gap("read the answer keys, ledgers, other attempts and your home", lambda tier, _: not tier.confined),
    "write_files": Gap("write wherever you can", lambda tier, _: not tier.confined),
    "other_processes": Gap(
        "see and trace your processes, and read their environment and descriptors",
        lambda tier, _: not tier.confined,
    ),
    "signal": Gap(
        "end your processes",
        lambda tier, version: (
            not tier.confined or (tier.landlock and not tier.own_uid and version < landlock.SCOPE_SINCE)
        ),
    ),
    "look_at_file": Gap("see name, size and times of a file whose path they know", lambda tier, _: not tier.own_root),
    "fill_disk": Gap(
        f"fill the disk, with files of up to {LIMITS['RLIMIT_FSIZE'] >> 30} GiB", lambda tier, _: not tier.in_memory
    ),
    "unix_socket": Gap(
        "connect to unix sockets whose path they know, which other programs of yours may listen on",
        lambda tier, _: not tier.own_root,
    ),
    "abstract_socket": Gap(
        "connect to abstract unix sockets",
        lambda tier, version: not tier.confined or version < landlock.SCOPE_SINCE,
    ),
    "network": Gap("use this machine's network, loopback included", lambda _tier, _version: True),
}


def agent_gaps(tier: IsolationTier, landlock_version: int | None = None) -> tuple[str, ...]:
    """What agents' programs can do in a tier, by name.

    Args:
        tier: Their isolation.
        landlock_version: The version that this machine has; detected by default.
    """
    version = landlock.abi() if landlock_version is None else landlock_version
    return tuple(name for name, gap in GAPS.items() if gap.possible(tier, version))


def as_markdown() -> str:
    """The table of the documentation: what each tier prevents, with any version of Landlock."""
    tiers = [IsolationTier(name) for name in TIERS]
    rows = [("see", [tier.kind.programs_see for tier in tiers])]
    rows += [(gap.what, [_verdict(gap, tier) for tier in tiers]) for gap in GAPS.values()]
    return "\n".join(
        [
            f"| agents' programs | {' | '.join(f'`{tier.name}`' for tier in tiers)} |",
            f"|---|{'---|' * len(tiers)}",
            *(f"| {what} | {' | '.join(cells)} |" for what, cells in rows),
        ]
    )


def _verdict(gap: Gap, tier: IsolationTier) -> str:
    """Whether a tier prevents it, if its programs don't have their own user id."""
    if not gap.possible(tier, 0):
        return "prevented"
    if gap.possible(tier, landlock.SCOPE_SINCE):
        return "possible"
    return f"prevented from Landlock {landlock.SCOPE_SINCE} on"


def limits_of(tier: IsolationTier) -> str:
    """What limits agents' programs in a tier, for readers."""
    limits = PROGRAM_LIMITS
    parts = [f"{limits.memory_bytes >> 30} GiB of memory"]
    if tier.own_root or tier.own_uid:
        parts.append(f"{limits.processes} processes and threads")
    else:
        parts.append(f"{limits.processes} processes")
    if tier.in_memory:
        parts.append(f"{limits.folder_bytes >> 30} GiB of files and {limits.tmp_bytes >> 20} MiB in /tmp, in memory")
    how = "by control groups" if set(tier.limits) >= {"memory", "pids"} else "watched from outside, twice a second"
    return f"{', '.join(parts)} ({how})"
