"""Prints rich's output through pytest's terminal reporter."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from rich.console import Console

from scribe_suite.text import log_width


def write(reporter: Any, print_to: Callable[[Console], None]) -> None:
    """Write rich's output through pytest's reporter, which may write to a file or be captured.

    Args:
        reporter: pytest's terminal reporter.
        print_to: Prints to the console that it is given.
    """
    writer, stream = reporter._tw, io.StringIO()
    is_terminal = getattr(writer._file, "isatty", lambda: False)()
    styled = bool(writer.hasmarkup)
    console = Console(
        file=stream,
        width=writer.fullwidth if is_terminal else log_width(),
        force_terminal=styled,
        color_system="standard" if styled else None,
    )
    print_to(console)
    reporter.write("".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines()))
