"""A tool call from the client's side: whether it still waits for the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(eq=False)
class Call:
    """One call of a tool.

    Attributes:
        cancelled: Whether its client has cancelled it (``notifications/cancelled``).
        gone: Whether no client waits for its result any more: it was cancelled, or the connection ended.
        on_output: Called with each output of its cell, in the journal's form; None where nobody wants them.
    """

    cancelled: bool = False
    gone: bool = False
    on_output: Callable[[dict[str, Any]], None] | None = None
