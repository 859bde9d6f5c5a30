"""The tiers of isolation, as data: what each prevents is in `escape_table`, how it is found in `probing`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TierName = Literal["namespaces", "landlock", "none"]
#: What a user asks for: the best tier that works, namespaces or an error, none.
Isolation = Literal["auto", "strict", "none"]


@dataclass(frozen=True)
class IsolationTier:
    """What isolates the kernels.

    Attributes:
        name: ``namespaces`` (own mount, PID, network, IPC and UTS namespaces), ``landlock`` (a Landlock ruleset on the
            host's file system), or ``none``.
        reasons: Why it is not a better tier; empty for the best.
        own_uid: Whether a kernel gets a user id of its own (a harness that is root can give it one); else, in
            ``namespaces``, a user namespace.
        gaps: Escapes that were tried at the start of the session and are not prevented, by name; see `escape_table`.
        limits: What control groups limit for a kernel as a whole: ``memory``, ``pids``.
    """

    name: TierName
    reasons: tuple[str, ...] = ()
    own_uid: bool = False
    gaps: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()

    @property
    def strict(self) -> bool:
        """Whether it is what ``--isolation strict`` asks for."""
        return self.name == "namespaces"

    @property
    def own_files(self) -> bool:
        """Whether what runs in it has a file system and processes of its own."""
        return self.name == "namespaces"

    @property
    def restricted(self) -> bool:
        """Whether what runs in it has the host's file system, of which it may use a part."""
        return self.name == "landlock"

    @property
    def confined(self) -> bool:
        """Whether anything is kept from what runs in it."""
        return self.name != "none"
