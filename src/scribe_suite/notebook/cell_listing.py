"""The cells of a notebook as `list_cells` shows them: all with their beginnings, or one whole, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from scribe_suite.notebook.agent_view import MAX_IMAGES, add_image, entry_text, image_of, text_entry
from scribe_suite.notebook.document import Cell
from scribe_suite.notebook.outputs import Output, output_size
from scribe_suite.text import strip_terminal

#: How many characters of a cell's source, and of its output, the list shows.
LISTED_SOURCE, LISTED_OUTPUT = 2000, 500


@dataclass(frozen=True)
class ListedCell:
    """A cell in the list.

    Attributes:
        payload: For programs.
        text: For readers.
        cut: Whether part of it is left out.
    """

    payload: dict[str, Any]
    text: str
    cut: bool


@dataclass(frozen=True)
class CellPage:
    """A page of a cell.

    Attributes:
        text: Its text.
        images: PNG files, in the order of their numbers in the text.
        count: The number of this cell's pages.
    """

    text: str
    images: list[bytes]
    count: int


def run_line(index: int, execution_count: int | None, status: str) -> str:
    """The headline of a report on a cell's run."""
    count = "" if execution_count is None else f", execution_count {execution_count}"
    return f"cell_index {index}{count}: {status}"


def listed_cell(cell: Cell, index: int | None) -> ListedCell:
    """A cell in the list: the beginnings of its source and output, with a mark where they are cut.

    Args:
        cell: The cell.
        index: Its number among the code cells, or None for a Markdown cell.
    """
    source, source_cut = _beginning(cell.source, LISTED_SOURCE, len(cell.source))
    if index is None:
        payload: dict[str, Any] = {"type": "markdown", "content": source, **_mark("content_cut", source_cut)}
        return ListedCell(payload, f"--- Markdown\n{source}", source_cut)
    output, output_cut = _beginning_of_output(cell.outputs)
    payload = {"type": "code", "cell_index": index, "status": cell.status, "code": source}
    payload |= _mark("code_cut", source_cut) | _mark("setup", cell.setup)
    if output:
        payload |= {"output": output, **_mark("output_cut", output_cut)}
    setup = ", the setup cell" if cell.setup else ""
    text = f"--- {run_line(index, cell.execution_count, cell.status)}{setup}\n{source}"
    if output:
        text += f"\n--- its output\n{output}"
    return ListedCell(payload, text, source_cut or output_cut)


def cell_page(source: str, outputs: Sequence[Output], number: int, characters: int) -> CellPage | None:
    """One page of a cell's source and whole output, or None if there is no such page.

    Args:
        source: The cell's source.
        outputs: The outputs of its last run.
        number: The page number, from 1.
        characters: The most characters of a page.
    """
    pages: list[list[str | _Image]] = [[]]
    left, images_left = characters, MAX_IMAGES
    for item in _items(source, outputs):
        for piece in _pieces(item, left, characters):
            size = len(piece) + 1
            is_image = isinstance(piece, _Image)
            if size > left or (is_image and images_left == 0):
                pages.append([])
                left, images_left = characters, MAX_IMAGES
            pages[-1].append(piece)
            left -= size
            images_left -= is_image
    if number > len(pages):
        return None
    images: list[bytes] = []
    texts = [add_image(piece.encoded, images) if isinstance(piece, _Image) else piece for piece in pages[number - 1]]
    return CellPage("\n".join(texts), images, len(pages))


@dataclass(frozen=True)
class _Image:
    encoded: str

    def __len__(self) -> int:
        """An upper estimate of the characters of its placeholder."""
        return 80


def _items(source: str, outputs: Sequence[Output]) -> Iterator[str | _Image]:
    yield f"--- code\n{source}\n--- output"
    for output in outputs:
        encoded, entry = image_of(output), text_entry(output)
        if encoded is not None:
            yield _Image(encoded)
        elif entry is not None:
            yield entry_text(entry)


def _pieces(item: str | _Image, left: int, characters: int) -> Iterator[str | _Image]:
    """An item in pieces: the first fits the rest of a page, each of the others fits a page."""
    if isinstance(item, _Image):
        yield item
        return
    room = left - 1 if left > characters // 4 else characters - 1
    begin = 0
    while len(item) - begin > room:
        line_end = item.rfind("\n", begin + room // 2, begin + room)
        end = line_end if line_end > 0 else begin + room
        yield item[begin:end]
        begin = end + 1 if line_end > 0 else end
        room = characters - 1
    yield item[begin:]


def _mark(name: str, value: bool) -> dict[str, bool]:
    return {name: True} if value else {}


def _beginning(text: str, limit: int, total: int) -> tuple[str, bool]:
    if total <= limit:
        return text, False
    return f"{text[:limit]}\n[... {total - min(limit, len(text)):,} characters left out ...]", True


def _beginning_of_output(outputs: Sequence[Output]) -> tuple[str, bool]:
    """The beginning of the outputs' text; only the necessary part is read."""
    shown: list[str] = []
    total = 0
    for output in outputs:
        if image_of(output) is not None:
            text, left = "[image]", 0
        elif output["output_type"] == "stream":
            text, left = _beginning_of_stream(output["text"])
        elif output["output_type"] == "error":
            text, left = strip_terminal(f"{output['ename']}: {output['evalue']}"), 0
        else:
            entry = text_entry(_small(output), quick=output_size(output) > 20 * LISTED_OUTPUT)
            text, left = entry_text(entry) if entry is not None else "", 0
        if total <= LISTED_OUTPUT:
            shown.append(text)
        total += len(text) + left
    text = "\n".join(shown)
    return _beginning(text, LISTED_OUTPUT, max(total, len(text)))


def _beginning_of_stream(chunks: Sequence[str]) -> tuple[str, int]:
    """Enough of a stream's text, and how many characters follow."""
    size, taken, raw = sum(map(len, chunks)), 0, ""
    while taken < len(chunks) and len(raw) <= 2 * LISTED_OUTPUT:
        raw += chunks[taken][: 2 * LISTED_OUTPUT]
        taken += 1
    return strip_terminal(raw).strip("\n"), size - len(raw)


def _small(output: Output) -> Output:
    """An output with only the beginnings of its forms."""
    return {**output, "data": {mime: data[: 20 * LISTED_OUTPUT] for mime, data in output["data"].items()}}
