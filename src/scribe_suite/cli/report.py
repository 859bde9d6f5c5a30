"""``scribe-suite report``: write the site, and say how far it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars

from scribe_suite.report.site import Progress, write_report

_LINE_EVERY_S = 10.0


def report(ledger: Path, output: Path, *, with_keys: bool) -> Path:
    """Write the report of a run, with a progress bar on a terminal and now and then a line elsewhere.

    Args:
        ledger: ``runs/<run>.jsonl``.
        output: Folder for the report.
        with_keys: Whether keys of fresh instances are shown.

    Returns:
        The first page.
    """
    with _shown_progress(Console(stderr=True)) as progress:
        return write_report(ledger, output, with_keys=with_keys, progress=progress)


@contextmanager
def _shown_progress(console: Console) -> Iterator[Progress]:
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
    with Bars(*columns, console=console, transient=True) as bars:
        bar = bars.add_task("")
        yield lambda done, total, what: bars.update(bar, completed=done, total=total, description=what)


def _lines(console: Console) -> Progress:
    last = time.monotonic()

    def progress(done: int, total: int, what: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _LINE_EVERY_S:
            last = now
            console.print(f"report: page {done} of {total} ({what})", markup=False, highlight=False)

    return progress
