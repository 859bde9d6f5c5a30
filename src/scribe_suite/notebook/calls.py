"""A tool call as the client sees it: whether anything still waits for its result."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False)
class Call:
    """One call of a tool.

    Attributes:
        cancelled: Whether its client has taken it back (``notifications/cancelled``).
        gone: Whether nobody waits for its result any more: it was taken back, or the connection ended.
    """

    cancelled: bool = False
    gone: bool = False
