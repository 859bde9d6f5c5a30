"""An agent's notebook as harmless HTML, rendered by nbconvert with our own template.

The file is not trusted: cells and outputs are rebuilt from the fields we know, each output is reduced to its best
representation and cleaned, and the finished HTML is inspected again before it reaches a page.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.document import Document
from scribe_suite.notebook.journal import JOURNAL_SUFFIX, read_journal
from scribe_suite.report.anchors import cell_anchor
from scribe_suite.report.folds import both_ends, first_lines, is_long, line_count
from scribe_suite.report.sanitise import (
    UnsafeError,
    clean_html,
    clean_markdown,
    has_active_parts,
    image,
    require_inert,
    svg_image,
)
from scribe_suite.text import shortened
from scribe_suite.untrusted_files import UntrustedFolder

MAX_NOTEBOOK_BYTES = 30_000_000
MAX_CELLS = 2_000
#: How many characters of a cell or of one output are shown, so that a phone can open the page.
MAX_TEXT = 60_000
#: How many characters of all cells and outputs of a notebook are shown, without images.
MAX_TEXT_OF_ALL = 3_000_000

_DROPPED_NOTE = "<p>[Scripts and other active parts of this output are left out.]</p>"
_ALT = "Image that a cell has put out"


@dataclass(frozen=True)
class NotebookView:
    """One notebook on a page.

    Attributes:
        name: The file's name.
        html: The notebook's HTML; None when nothing can be shown.
        note: A note to the reader, or empty.
        anchors: Places of its cells on the page; see `anchors.cell_anchor`.
    """

    name: str
    html: Markup | None
    note: str = ""
    anchors: frozenset[str] = frozenset()


def notebook_views(folder: UntrustedFolder) -> list[NotebookView]:
    """Every notebook in an attempt's ``notebooks`` folder; missing files are made from the journal."""
    views = [_view(name, folder, name, _from_file) for name in folder.files("*.ipynb")]
    have = {view.name for view in views}
    for journal in folder.files(f"*{JOURNAL_SUFFIX}"):
        name = journal.removesuffix(JOURNAL_SUFFIX) + ".ipynb"
        if name not in have:
            note = "The notebook file is missing; this is from its journal."
            views.append(_view(name, folder, journal, _from_journal, note))
    return views


def _from_file(folder: UntrustedFolder, name: str) -> bytes:
    return folder.read(name, MAX_NOTEBOOK_BYTES)


def _from_journal(folder: UntrustedFolder, name: str) -> bytes:
    document = Document.from_events(read_journal(folder.path / name, folder))
    document.end_unfinished()
    return document.render()


def _view(
    name: str, folder: UntrustedFolder, file: str, read: Callable[[UntrustedFolder, str], bytes], note: str = ""
) -> NotebookView:
    try:
        size = folder.stat(file).st_size
        if size > MAX_NOTEBOOK_BYTES:
            return NotebookView(name, None, f"It has {size / 1e6:.0f} MB, too much for a page; the raw file has it.")
        rebuilt = _rebuilt(json.loads(read(folder, file)), name.removesuffix(".ipynb"))
        anchors = frozenset(cell["metadata"].get("anchor", "") for cell in rebuilt["cells"]) - {""}
        return NotebookView(name, _rendered(rebuilt), note, anchors)
    except UnsafeError as error:
        return NotebookView(name, None, f"It can't be shown safely ({error}); the raw file has it.")
    except (OSError, ValueError, RecursionError, InfrastructureError) as error:
        return NotebookView(name, None, f"It can't be shown ({type(error).__name__}: {shortened(str(error), 300)}).")


def render_notebook(content: object) -> Markup:
    """A parsed notebook file as harmless HTML.

    Raises:
        ValueError: When it is not a notebook.
        UnsafeError: When the result contains anything that is not allowed.
    """
    return _rendered(_rebuilt(content))


def _rendered(rebuilt: dict[str, Any]) -> Markup:
    from nbconvert import HTMLExporter
    from nbformat import from_dict

    # HTMLExporter's own method would parse and rewrite the result, to add what our template already has; that doubles
    # the time.
    body, _ = super(HTMLExporter, _exporter()).from_notebook_node(from_dict(rebuilt))
    return Markup(require_inert(body))


@cache
def _exporter() -> Any:
    from nbconvert import HTMLExporter
    from nbconvert.filters.highlight import Highlight2HTML

    exporter = HTMLExporter(
        extra_template_basedirs=[str(Path(__file__).with_name("templates"))],
        template_name="notebook",
        preprocessors=[],
        default_preprocessors=[],
    )
    exporter.register_filter("clean_markdown", clean_markdown)
    for fold in (is_long, line_count, first_lines, both_ends):
        exporter.register_filter(fold.__name__, fold)
    exporter.register_filter("highlight_code", Highlight2HTML(pygments_lexer="python"))
    return exporter


def _rebuilt(content: object, name: str = "") -> dict[str, Any]:
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, list):
        raise ValueError("it has no list of cells")
    budget = _Budget(MAX_TEXT_OF_ALL)
    known = [_cell(cell, budget) for cell in cells[:MAX_CELLS] if isinstance(cell, dict)]
    taken = {""}
    for cell, shown in zip((cell for cell in cells[:MAX_CELLS] if isinstance(cell, dict)), known, strict=True):
        place = cell_anchor(name, cell.get("id"))
        if place not in taken and shown["cell_type"] == "code":  # a file may name two cells alike
            shown["metadata"]["anchor"] = place
            taken.add(place)
    if len(cells) > MAX_CELLS:
        known.append(_plain_cell("raw", f"[{len(cells) - MAX_CELLS} more cells are left out; the raw file has them.]"))
    numbered = [{"id": f"cell-{number}", **cell} for number, cell in enumerate(known)]
    return {"cells": numbered, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


class _Budget:
    """How many more characters of this notebook may be shown."""

    def __init__(self, characters: int) -> None:
        self._left = characters

    def take(self, text: str) -> bool:
        """Whether `text` may be shown as well."""
        self._left -= len(text)
        return self._left >= 0

    def cut(self, value: object) -> str:
        """A text, shortened to what may be shown."""
        text = _joined(value if value is not None else "")
        shown = text[:MAX_TEXT]
        if not self.take(shown):
            return "[left out: the notebook is too long for a page; the raw file has it]"
        left_out = len(text) - len(shown)
        return f"{shown}\n[... {left_out:,} characters more are in the raw file]" if left_out else shown


def _plain_cell(kind: str, source: str) -> dict[str, Any]:
    return {"cell_type": kind, "metadata": {}, "source": source}


def _cell(cell: dict[str, Any], budget: _Budget) -> dict[str, Any]:
    source = budget.cut(cell.get("source"))
    if cell.get("cell_type") != "code":
        return _plain_cell("markdown" if cell.get("cell_type") == "markdown" else "raw", source)
    metadata = cell.get("metadata")
    scribe = metadata.get("scribe") if isinstance(metadata, dict) else None
    count = cell.get("execution_count")
    outputs = cell.get("outputs")
    return {
        **_plain_cell("code", source),
        "execution_count": count if isinstance(count, int) else None,
        "metadata": {"state": _state(scribe if isinstance(scribe, dict) else {})},
        "outputs": [
            known
            for output in (outputs if isinstance(outputs, list) else [])
            if isinstance(output, dict) and (known := _output(output, budget)) is not None
        ],
    }


def _state(scribe: dict[str, Any]) -> str:
    """The state of a code cell, to show next to its number."""
    runs, status = scribe.get("runs"), scribe.get("status")
    parts = [
        "set-up" if scribe.get("setup") is True else "",
        "" if status in (None, "ok") else shortened(str(status), 40).replace("_", " "),
        f"run {runs} times" if isinstance(runs, int) and runs > 1 else "",
    ]
    return ", ".join(part for part in parts if part)


def _output(output: dict[str, Any], budget: _Budget) -> dict[str, Any] | None:
    kind = output.get("output_type")
    if kind == "stream":
        return {
            "output_type": "stream",
            "name": "stderr" if output.get("name") == "stderr" else "stdout",
            "text": budget.cut(output.get("text")),
        }
    if kind == "error":
        lines = output.get("traceback")
        text = "\n".join(str(line) for line in lines) if isinstance(lines, list) else ""
        text = text or f"{output.get('ename')}: {output.get('evalue')}"
        return {"output_type": "error", "ename": "", "evalue": "", "traceback": [budget.cut(text)]}
    data = output.get("data")
    if kind not in ("display_data", "execute_result") or not isinstance(data, dict):
        return None
    for mime_type, convert in _BEST_FIRST.items():
        if mime_type in data and (shown := convert(_joined(data[mime_type]), budget)):
            return {"output_type": "display_data", "metadata": {}, "data": shown}
    return None


def _html(text: str, budget: _Budget) -> dict[str, str] | None:
    cleaned = clean_html(text) if budget.take(text) else ""
    if not cleaned.strip():
        return None
    return {"text/html": cleaned + (_DROPPED_NOTE if has_active_parts(text) else "")}


def _markdown(text: str, budget: _Budget) -> dict[str, str] | None:
    return {"text/html": clean_markdown(text)} if budget.take(text) else None


def _svg(text: str, _: _Budget) -> dict[str, str] | None:
    return {"text/html": svg_image(text, _ALT)}


def _picture(mime_type: str) -> Callable[[str, _Budget], dict[str, str] | None]:
    def convert(text: str, _: _Budget) -> dict[str, str] | None:
        shown = image(mime_type, text, _ALT)
        return {"text/html": shown} if shown else None

    return convert


def _plain(text: str, budget: _Budget) -> dict[str, str] | None:
    return {"text/plain": budget.cut(text)}


#: Representations of an output in the order in which they are tried; the first non-empty one is shown.
_BEST_FIRST: dict[str, Callable[[str, _Budget], dict[str, str] | None]] = {
    "text/html": _html,
    "text/markdown": _markdown,
    "image/svg+xml": _svg,
    "image/png": _picture("image/png"),
    "image/jpeg": _picture("image/jpeg"),
    "text/latex": _plain,  # without scripts there is nothing to set formulas with
    "text/plain": _plain,
}


def _joined(value: object) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value)
