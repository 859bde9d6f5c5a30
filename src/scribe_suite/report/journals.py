"""The journal of a notebook as table rows: everything that ran, in order, edited cells included."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.journal import JOURNAL_SUFFIX, Event, read_journal
from scribe_suite.report.anchors import run_anchor
from scribe_suite.text import shortened
from scribe_suite.untrusted_files import UntrustedFolder

MAX_ROWS = 2_000
MAX_JOURNAL_BYTES = 100_000_000
MAX_CODE = 10_000

_SAID_ELSEWHERE = frozenset({"event", "time", "cell", "code", "content", "output", "outputs", "run"})


@dataclass(frozen=True)
class JournalRow:
    """One event.

    Attributes:
        seconds: Seconds since the first event; None when the journal has no time.
        event: Its name.
        cell: The cell, with the run when there was more than one; or empty.
        detail: Everything else, in brief.
        code: Code that was run, or text that was added; empty for other events.
        anchor: Its place on the page, where a run of a cell begins; else empty.
    """

    seconds: float | None
    event: str
    cell: str
    detail: str
    code: str = ""
    anchor: str = ""


@dataclass(frozen=True)
class JournalView:
    """One journal on a page."""

    name: str
    rows: tuple[JournalRow, ...] = ()
    note: str = ""


def journal_views(folder: UntrustedFolder) -> list[JournalView]:
    """Every journal in an attempt's ``notebooks`` folder."""
    taken = {""}
    return [_view(folder, name, taken) for name in folder.files(f"*{JOURNAL_SUFFIX}")]


def _view(folder: UntrustedFolder, name: str, taken: set[str]) -> JournalView:
    try:
        if folder.stat(name).st_size > MAX_JOURNAL_BYTES:
            return JournalView(name, (), "It is too large for a page; the raw file has it.")
        events = list(islice(read_journal(folder.path / name, folder), MAX_ROWS + 1))
        start = next((event["time"] for event in events if isinstance(event.get("time"), int | float)), None)
        notebook = name.removesuffix(JOURNAL_SUFFIX)
        rows = tuple(_row(event, start, _anchor(notebook, event, taken)) for event in events[:MAX_ROWS])
    except (OSError, InfrastructureError) as error:
        return JournalView(name, (), f"It can't be read ({shortened(str(error), 300)}).")
    note = f"The first {MAX_ROWS:,} events are shown; the raw file has all." if len(events) > MAX_ROWS else ""
    return JournalView(name, rows, note)


def _anchor(notebook: str, event: Event, taken: set[str]) -> str:
    """The place of a run, once; other events have none."""
    place = run_anchor(notebook, event.get("cell"), event.get("run")) if event["event"] == "cell_started" else ""
    if place in taken:
        return ""
    taken.add(place)
    return place


def _row(event: Event, start: float | None, anchor: str) -> JournalRow:
    time = event.get("time")
    run = event.get("run")
    cell = str(event.get("cell", ""))
    return JournalRow(
        seconds=time - start if isinstance(time, int | float) and start is not None else None,
        event=shortened(str(event["event"]), 60),
        cell=shortened(cell, 40) + (f", run {run}" if isinstance(run, int) and run > 1 else ""),
        detail=_detail(event),
        code=shortened(str(event.get("code", event.get("content", ""))), MAX_CODE),
        anchor=anchor,
    )


def _detail(event: Event) -> str:
    parts = [
        f"{name}: {value}" for name, value in event.items() if name not in _SAID_ELSEWHERE and value not in (None, "")
    ]
    if "output" in event:
        parts.append(_output(event["output"]))
    return shortened(", ".join(parts), 500)


def _output(output: Any) -> str:
    """A brief description of an output: its kind and size."""
    if not isinstance(output, dict):
        return ""
    kind = str(output.get("output_type", "")).replace("_", " ")
    if "text" in output:
        return f"{output.get('name', kind)}, {len(str(output['text'])):,} characters"
    if isinstance(output.get("data"), dict):
        return f"{kind}: {', '.join(map(str, output['data']))}"
    if "ename" in output:
        return f"{output['ename']}: {output.get('evalue', '')}"
    return kind
