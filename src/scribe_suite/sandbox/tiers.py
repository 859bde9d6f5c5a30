"""The tiers of isolation, one row each; `probing` determines the tier of a machine.

Other code never compares names of tiers, which are for people and ledgers, but reads the tier's fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

TierName = Literal["namespaces", "landlock", "none"]
#: What a user may request: the best tier that works, namespaces or an error, none.
Isolation = Literal["auto", "strict", "none"]


class Promise(Enum):
    """The promises of tiers; `escape_table` says which escape would break which promise."""

    #: Sandboxed code has no access to anything but its own things.
    CONFINED = auto()
    #: It does not even see the host: it has its own file system, processes and memory for files.
    OWN_ROOT = auto()


class Requirement(Enum):
    """What a tier needs from a machine; `probing` checks it."""

    LINUX = auto()
    #: Filters of system calls.
    FILTER = auto()
    LANDLOCK = auto()
    #: The base Python is not in a place where the sandbox has its own content.
    PYTHON_ELSEWHERE = auto()


@dataclass(frozen=True)
class Tier:
    """One tier.

    Attributes:
        name: Its name, for people and ledgers.
        strict: Whether it satisfies ``--isolation strict``.
        own_root: Whether sandboxed code has its own file system, processes and IPC, in namespaces.
        in_memory: Whether the folders it may write to are in memory; else they are on a disk of the host.
        landlock: Whether a Landlock ruleset limits its access to the host's file system.
        kernel_filter: Policy of `inside.seccomp` for kernels, or None. Without a network namespace, no socket may be
            connected at all.
        program_filter: The same for agents' programs.
        promises: What must hold for the tier to be used.
        requirements: What the machine must have, in the order of the checks.
        meaning: Its meaning for kernels, as a clause.
        kernels_have: The same in detail, for the documentation.
        needs: What the machine must have, for the documentation; `requirements` and `promises` are what is checked.
        programs_see: What agents' programs see in it, as a clause.
        colour: The colour in which it is printed.
    """

    name: TierName
    strict: bool
    own_root: bool
    in_memory: bool
    landlock: bool
    kernel_filter: str | None
    program_filter: str | None
    promises: frozenset[Promise]
    requirements: tuple[Requirement, ...]
    meaning: str
    kernels_have: str
    needs: str
    programs_see: str
    colour: str

    @property
    def confined(self) -> bool:
        """Whether it restricts sandboxed code at all."""
        return Promise.CONFINED in self.promises


_TABLE = (
    Tier(
        name="namespaces",
        strict=True,
        own_root=True,
        in_memory=True,
        landlock=False,
        kernel_filter="kernel",
        program_filter="agent",
        promises=frozenset({Promise.CONFINED, Promise.OWN_ROOT}),
        requirements=(Requirement.LINUX, Requirement.PYTHON_ELSEWHERE, Requirement.FILTER),
        meaning="kernels have a file system, processes and a network of their own",
        kernels_have="a file system of its own with Python and the system libraries (read-only), a working folder and "
        "`/tmp` in memory of limited size; its own process ids, host name, IPC and an empty network; a user id of its "
        "own (harness run by root) or a user namespace; no capabilities; a filter of system calls",
        needs="Linux 5.4 or newer, and root or unprivileged user namespaces",
        programs_see="their program, the system, a home in memory, and the network; none of your files and processes",
        colour="green",
    ),
    Tier(
        name="landlock",
        strict=False,
        own_root=False,
        in_memory=False,
        landlock=True,
        kernel_filter="no_connect",
        program_filter="agent",
        promises=frozenset({Promise.CONFINED}),
        requirements=(Requirement.LINUX, Requirement.FILTER, Requirement.LANDLOCK),
        meaning="kernels see the host's file system, of which they may use only their part",
        kernels_have="the host's file system, of which it may use only Python, the system libraries and its own "
        "folders; no network, no socket to anyone; the same filter, and more",
        needs="Linux 5.13 or newer with Landlock",
        programs_see="the host's file system, of which they may use the system, their program and their home; the "
        "network",
        colour="yellow",
    ),
    Tier(
        name="none",
        strict=False,
        own_root=False,
        in_memory=False,
        landlock=False,
        kernel_filter=None,
        program_filter=None,
        promises=frozenset(),
        requirements=(),
        meaning="kernels can do what you can; agents could read the answer keys",
        kernels_have="what you have",
        needs="nothing",
        programs_see="what you see",
        colour="red",
    ),
)

#: The tiers by name, best first.
TIERS: dict[TierName, Tier] = {tier.name: tier for tier in _TABLE}
#: The tier that needs nothing and promises nothing.
WITHOUT: TierName = next(tier.name for tier in _TABLE if not tier.confined)


@dataclass(frozen=True)
class IsolationTier:
    """The isolation of kernels: a tier, and the findings about it on this machine.

    Attributes:
        name: The tier's name.
        reasons: Why it is not a better tier; empty for the best.
        own_uid: Whether a kernel gets its own user id (a harness that is root can give it one); otherwise, with its own
            root, a user namespace.
        gaps: Escapes that were tried at the start of the session and are not prevented, by name; see `escape_table`.
        limits: What control groups limit for a kernel as a whole: ``memory``, ``pids``.
    """

    name: TierName
    reasons: tuple[str, ...] = ()
    own_uid: bool = False
    gaps: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()

    @property
    def kind(self) -> Tier:
        """The row of the tier."""
        return TIERS[self.name]

    @property
    def strict(self) -> bool:
        """See `Tier.strict`."""
        return self.kind.strict

    @property
    def own_root(self) -> bool:
        """See `Tier.own_root`."""
        return self.kind.own_root

    @property
    def in_memory(self) -> bool:
        """See `Tier.in_memory`."""
        return self.kind.in_memory

    @property
    def landlock(self) -> bool:
        """See `Tier.landlock`."""
        return self.kind.landlock

    @property
    def confined(self) -> bool:
        """See `Tier.confined`."""
        return self.kind.confined
