from __future__ import annotations

import base64
import io

from PIL import Image

from scribe_suite.notebook.agent_view import MAX_IMAGES
from scribe_suite.notebook.cell_listing import cell_page, listed_cell
from scribe_suite.notebook.document import Cell


def stream(text: str) -> dict[str, object]:
    return {"output_type": "stream", "name": "stdout", "text": [text]}


def picture() -> dict[str, object]:
    file = io.BytesIO()
    Image.new("L", (2, 2)).save(file, format="PNG")
    return {"output_type": "display_data", "data": {"image/png": base64.b64encode(file.getvalue()).decode()}}


def test_pages_hold_everything_once_in_order_and_end_at_line_ends():
    lines = [f"line {n}" for n in range(500)]
    outputs = [stream("\n".join(lines[:300])), stream("\n".join(lines[300:]))]
    first = cell_page("source", outputs, 1, 1000)
    assert first is not None
    pages = [cell_page("source", outputs, number, 1000) for number in range(1, first.count + 1)]
    texts = [page.text for page in pages if page is not None]
    assert all(len(text) <= 1000 for text in texts)
    assert "\n".join(texts).split("\n") == ["--- code", "source", "--- output", *lines]
    assert cell_page("source", outputs, first.count + 1, 1000) is None


def test_a_line_longer_than_a_page_is_cut_and_loses_nothing():
    page = cell_page("", [stream("x" * 5000)], 1, 1000)
    assert page is not None
    texts = [
        found.text
        for number in range(1, page.count + 1)
        if (found := cell_page("", [stream("x" * 5000)], number, 1000))
    ]
    assert "".join(texts).count("x") == 5000


def test_every_figure_of_a_cell_is_on_some_page():
    pages = [cell_page("", [picture()] * 20, number, 39_000) for number in (1, 2, 3)]
    assert [len(page.images) for page in pages if page is not None] == [MAX_IMAGES, MAX_IMAGES, 20 - 2 * MAX_IMAGES]
    assert pages[1] is not None
    assert "[image 1, below]" in pages[1].text


def test_a_cell_in_the_list_says_where_it_is_cut_and_only_there():
    short = listed_cell(Cell("c", "1", status="ok", execution_count=3, outputs=[stream("\x1b[31m" * 90 + "red\n")]), 2)
    assert (short.cut, short.text) == (False, "--- cell_index 2, execution_count 3: ok\n1\n--- its output\nred")
    long = listed_cell(Cell("c", "y" * 3000, status="ok", outputs=[stream("x" * 10_000), picture()]), 0)
    assert long.cut
    assert "[... 1,000 characters left out ...]\n--- its output" in long.text
    assert long.text.endswith("[... 9,507 characters left out ...]")
    note = listed_cell(Cell("c", "z" * 3000, is_code=False), None)
    assert (note.cut, note.payload["content_cut"]) == (True, True)
