"""Consoles for what commands print."""

from __future__ import annotations

import sys

from rich.console import Console

from scribe_suite.text import log_width

#: Wider than any list: a program that reads a pipe has no use for truncated or wrapped cells.
NO_LIMIT = 10_000


def console_for_lists() -> Console:
    """A console for the terminal; without one, lines are as long as they need to be."""
    return Console() if sys.stdout.isatty() else Console(width=NO_LIMIT)


def console_for_logs() -> Console:
    """A console for the terminal; without one, lines have a usual width."""
    return Console() if sys.stdout.isatty() else Console(width=log_width())


def say(text: str, console: Console | None = None) -> None:
    """Print a sentence on one line, however long, so that paths and commands in it can be copied."""
    (console or Console()).print(text, markup=False, highlight=False, soft_wrap=True)
