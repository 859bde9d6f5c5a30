"""The notebook as a pure function of journal events, and its ``.ipynb`` file.

`Document.apply` is the only way to change a document, both live and from a journal, so the two can't disagree.
Each cell keeps its rendered JSON until it changes: writing the file costs time proportional to its bytes, not to the
number of cells that would have to be serialised again (Goodfire Scribe re-serialises all of them on every change).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.journal import Event
from scribe_suite.untrusted_files import UntrustedFolder

CellKind = Literal["setup", "agent", "restored"]
CellStatus = Literal["not_run", "running", "ok", "error", "interrupted", "timeout", "died"]

#: Statuses of cells that are not rerun when a notebook is resumed: they killed the kernel or did not end on their own.
NOT_RESTORED: frozenset[CellStatus] = frozenset({"interrupted", "timeout", "died", "running"})

_METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


@dataclass(eq=False)
class Cell:
    """One cell of the notebook; two cells are the same only if they are one object.

    Attributes:
        cell_id: Unique in the notebook; also the nbformat cell id.
        source: Code or Markdown.
        is_code: Whether it is a code cell.
        setup: Whether it is the setup cell.
        runs: How often it was started.
        status: How its last run ended.
        execution_count: The kernel's number of its last run, or None.
        outputs: nbformat outputs of its last run; the text of a stream is a list of chunks.
    """

    cell_id: str
    source: str
    is_code: bool = True
    setup: bool = False
    runs: int = 0
    status: CellStatus = "not_run"
    execution_count: int | None = None
    outputs: list[dict[str, Any]] = field(default_factory=list)
    clear_pending: bool = False
    rendered: bytes | None = None


class Document:
    """The cells of a notebook in order."""

    def __init__(self) -> None:
        self.cells: list[Cell] = []
        self._by_id: dict[str, Cell] = {}
        self._code_cells: list[Cell] = []
        self._places: dict[str, tuple[int, int]] = {}  # cell id -> number of the cell, code cells before it

    @classmethod
    def from_events(cls, events: Iterable[Event]) -> Document:
        """Rebuild a document from its journal.

        Raises:
            InfrastructureError: With cause ``journal_corrupt`` for an event that does not fit those before it.
        """
        document = cls()
        for number, event in enumerate(events, start=1):
            try:
                document.apply(event)
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                message = f"Event {number} of a journal does not make sense ({type(error).__name__}: {error})."
                raise InfrastructureError("journal_corrupt", message) from error
        return document

    def code_cells(self) -> Sequence[Cell]:
        """Code cells in order; tools count these."""
        return self._code_cells

    def place(self, cell: Cell) -> int:
        """The number of a cell, Markdown and code cells counted.

        Raises:
            KeyError: When it is not in the notebook.
        """
        return self._places[cell.cell_id][0]

    def code_place(self, cell: Cell) -> int:
        """The number of a code cell among the code cells.

        Raises:
            KeyError: When it is not in the notebook.
        """
        return self._places[cell.cell_id][1]

    def cell(self, cell_id: str) -> Cell:
        """The cell with this id.

        Raises:
            KeyError: When there is none.
        """
        return self._by_id[cell_id]

    def next_id(self) -> str:
        """An id no cell has."""
        return f"cell-{len(self.cells)}"

    def end_unfinished(self) -> None:
        """Show the cells that were still running at the end of a journal as ones whose kernel died."""
        for cell in self.cells:
            if cell.status == "running":
                cell.status, cell.rendered = "died", None

    def apply(self, event: Event) -> None:
        """Apply one event; events that don't concern cells change nothing."""
        handler = _HANDLERS.get(event["event"])
        if handler is not None:
            handler(self, event)

    def render(self) -> bytes:
        """The notebook as nbformat 4.5 JSON text in UTF-8."""
        return b"".join(self.parts())

    def parts(self) -> Iterator[bytes]:
        """The result of `render` in pieces: for large notebooks, joining them takes noticeable time."""
        yield b'{\n"cells": [\n'
        for number, cell in enumerate(self.cells):
            if cell.rendered is None:
                text = json.dumps(_nbformat_cell(cell), ensure_ascii=False, indent=1)
                cell.rendered = text.encode("utf-8", "replace")
            yield b",\n" if number else b""
            yield cell.rendered
        yield f'\n],\n"metadata": {json.dumps(_METADATA)},\n"nbformat": 4,\n"nbformat_minor": 5\n}}\n'.encode()

    def _add(self, cell: Cell, *, first: bool = False) -> None:
        self._by_id[cell.cell_id] = cell
        if not first or not self.cells:
            self._places[cell.cell_id] = (len(self.cells), len(self._code_cells))
            self.cells.append(cell)
            if cell.is_code:
                self._code_cells.append(cell)
            return
        before, self.cells, self._code_cells = self.cells, [], []
        for each in [cell, *before]:
            self._add(each)

    def _session_started(self, _event: Event) -> None:
        self.end_unfinished()  # there are some only when the harness was killed: sessions end their cells otherwise

    def _markdown_added(self, event: Event) -> None:
        self._add(Cell(event["cell"], event["content"], is_code=False))

    def _cell_added(self, event: Event) -> None:
        outputs = [dict(output) for output in event["outputs"]]
        cell = Cell(event["cell"], event["code"], setup=event["setup"], status=event["status"], outputs=outputs)
        self._add(cell)

    def _cell_started(self, event: Event) -> None:
        cell = self._by_id.get(event["cell"])
        if cell is None:
            cell = Cell(event["cell"], "")
            self._add(cell, first=event["kind"] == "setup")
        cell.source, cell.runs, cell.status = event["code"], event["run"], "running"
        cell.setup = cell.setup or event["kind"] == "setup"
        cell.execution_count, cell.outputs, cell.clear_pending, cell.rendered = None, [], False, None

    def _output(self, event: Event) -> None:
        cell = self._by_id[event["cell"]]
        if event["output"]["output_type"] == "update_display_data":
            for other in self.cells:  # a display may be updated from any later cell
                if update_displays(other, event["output"]):
                    other.rendered = None
        elif event["run"] == cell.runs:  # a thread of an earlier run may still print after an edit
            add_output(cell, event["output"])
            cell.rendered = None

    def _cell_finished(self, event: Event) -> None:
        cell = self._by_id[event["cell"]]
        cell.status, cell.execution_count, cell.rendered = event["status"], event["execution_count"], None
        for output in cell.outputs:
            if output["output_type"] == "execute_result":
                output["execution_count"] = cell.execution_count


_HANDLERS = {
    "session_started": Document._session_started,
    "markdown_added": Document._markdown_added,
    "cell_added": Document._cell_added,
    "cell_started": Document._cell_started,
    "output": Document._output,
    "cell_finished": Document._cell_finished,
}


def update_displays(cell: Cell, output: dict[str, Any]) -> bool:
    """Replace the displays of a cell with the id of an ``update_display_data``; returns whether there are any."""
    found = False
    for shown in cell.outputs:
        if shown.get("display_id") == output["display_id"]:
            shown["data"], found = output["data"], True
    return found


def add_output(cell: Cell, output: dict[str, Any]) -> None:
    """Add one output event to a cell as a front end would show it.

    Streams of the same name run together, ``clear_output`` clears (at the next output, if it says so), and
    ``update_display_data`` replaces the displays with its id.
    """
    kind = output["output_type"]
    if kind == "clear_output":
        cell.clear_pending = bool(output.get("wait"))
        if not cell.clear_pending:
            cell.outputs = []
        return
    if kind == "update_display_data":
        update_displays(cell, output)
        return
    if cell.clear_pending:
        cell.outputs, cell.clear_pending = [], False
    if kind == "stream":
        if cell.outputs and cell.outputs[-1].get("name") == output["name"]:
            cell.outputs[-1]["text"].append(output["text"])
        else:
            cell.outputs.append({**output, "text": [output["text"]]})
        return
    cell.outputs.append(dict(output))


def _nbformat_cell(cell: Cell) -> dict[str, Any]:
    if not cell.is_code:
        return {"cell_type": "markdown", "id": cell.cell_id, "metadata": {}, "source": cell.source}
    return {
        "cell_type": "code",
        "execution_count": cell.execution_count,
        "id": cell.cell_id,
        "metadata": {"scribe": {"status": cell.status, "runs": cell.runs, "setup": cell.setup}},
        "outputs": [{k: v for k, v in output.items() if k != "display_id"} for output in cell.outputs],
        "source": cell.source,
    }


class NotebookFile:
    """Writes a document to its ``.ipynb``, atomically and not too often.

    Args:
        path: The notebook file.
        document: The document.
        interval_s: Least seconds between two throttled writes; a slow write waits ten times its own duration.
        folder: The open folder that the file is in, when there is one; else it is opened by its path.
    """

    def __init__(
        self, path: Path, document: Document, interval_s: float = 1.0, folder: UntrustedFolder | None = None
    ) -> None:
        self.path = path
        self._folder = folder or UntrustedFolder(path.parent)
        self._document = document
        self._interval_s = interval_s
        self._next = 0.0

    @property
    def wait_s(self) -> float:
        """Seconds until the next throttled write."""
        return max(0.0, self._next - time.monotonic())

    def write(self) -> None:
        """Write now. A reader sees the old file or the new one, never part of one."""
        begin = time.monotonic()
        try:
            self._folder.write(self.path.name, self._document.parts())
        finally:  # a write that failed is not to be tried again at once either
            end = time.monotonic()
            self._next = end + max(self._interval_s, 10 * (end - begin))
