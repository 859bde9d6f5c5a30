"""What a person works in besides the folder with the socket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def _fine() -> str | None:
    return None


@dataclass(frozen=True)
class FrontEnd:
    """A front end that runs.

    Attributes:
        address: What to open in a browser, or None.
        version: Version of the program, for the record, or None.
        broken: Says why nobody can go on working in it, or returns None.
    """

    address: str | None = None
    version: str | None = None
    broken: Callable[[], str | None] = _fine
