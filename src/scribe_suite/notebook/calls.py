"""A tool call from the client's side: whether it still waits for the result."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False)
class Call:
    """One call of a tool.

    Attributes:
        cancelled: Whether its client has cancelled it (``notifications/cancelled``).
        gone: Whether no client waits for its result any more: it was cancelled, or the connection ended.
    """

    cancelled: bool = False
    gone: bool = False
