"""pytest's terminal reporter: what rich prints, through it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from rich.console import Console

#: A log file has no width of its own, and a table folded to 80 columns can't be read.
_NARROWEST = 120


def write(reporter: Any, print_to: Callable[[Console], None]) -> None:
    """Write what rich prints through pytest's reporter, which may write to a file or be captured.

    Args:
        reporter: pytest's terminal reporter.
        print_to: Prints to the console that it is given.
    """
    stream = io.StringIO()
    print_to(Console(file=stream, width=max(reporter._tw.fullwidth, _NARROWEST), color_system=None))
    reporter.write("".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines()))
