"""``scribe-suite report``: write the site, and show progress."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scribe_suite.cli.parsers import Commands, add_command, add_results_dir

if TYPE_CHECKING:
    from rich.console import Console

    from scribe_suite.report.site import Progress

_LINE_EVERY_S = 10.0


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "report",
        run,
        summary="write a ledger's run as a static site",
        description="Write pages for a run, its tasks and its attempts: plots, scores, prompts, answers, notebooks, "
        "transcripts, journals. They need no server and no network. Keys are shown when the run's seeds were fixed; "
        "for fresh instances, only with --with-keys.",
        examples=("scribe-suite report 20261122-174501-a1b2c3 -o report",),
    )
    parser.add_argument("name", metavar="RUN", help="run id, or ledger runs/<run>.jsonl")
    add_results_dir(parser)
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("report"), help="folder; an older report there is replaced"
    )
    parser.add_argument("--with-keys", action="store_true", help="show keys, seeds and base models of fresh instances")


def run(options: argparse.Namespace) -> int:
    """Write the report, show progress (on a terminal as a bar), and print the path of the first page."""
    from rich.console import Console

    from scribe_suite.ledger.run_names import find_run
    from scribe_suite.report.site import write_report

    ledger = find_run(options.name, options.results_dir)
    with _shown_progress(Console(stderr=True)) as progress:
        print(write_report(ledger, options.output, with_keys=options.with_keys, progress=progress))
    return 0


@contextmanager
def _shown_progress(console: Console) -> Iterator[Progress]:
    if not console.is_terminal:
        yield _lines(console)
        return
    from rich.progress import BarColumn, MofNCompleteColumn
    from rich.progress import Progress as Bars
    from rich.table import Column

    from scribe_suite.progress import state_column

    columns = (
        BarColumn(min(24, console.width // 4), table_column=Column(no_wrap=True)),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        state_column(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        bar = bars.add_task("", state="")
        yield lambda done, total, what: bars.update(bar, completed=done, total=total, state=what)


def _lines(console: Console) -> Progress:
    last = time.monotonic()

    def progress(done: int, total: int, what: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _LINE_EVERY_S:
            last = now
            console.print(f"report: page {done} of {total} ({what})", markup=False, highlight=False)

    return progress
