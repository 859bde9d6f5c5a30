from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from scribe_suite.notebook.agent_view import (
    IMAGE_SIDE,
    MAX_IMAGES,
    QUICK_CHARACTERS,
    entry_text,
    is_quick,
    scale_image,
    view_outputs,
)
from scribe_suite.text import strip_terminal


def image_file(width: int, height: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(buffer, format=kind)
    return buffer.getvalue()


def display(data: bytes, mime: str = "image/png") -> dict[str, object]:
    return {"output_type": "display_data", "data": {mime: base64.b64encode(data).decode(), "text/plain": "<Figure>"}}


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("\x1b[0;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b[38;2;1;2;3mrgb\x1b[m\x1b[2K", "rgb"),
        (" 10%\r 50%\r100%\ndone", "100%\ndone"),
        ("windows\r\nlines\r\n", "windows\nlines\n"),
        ("kept\r", "kept"),
        ("kept\r\x1b[K", "kept"),
        ("\x1b\x1b[mc\x9b2J", "c2J"),
        ("[31m without escape", "[31m without escape"),
    ],
)
def test_text_is_what_a_terminal_would_leave(raw, plain):
    assert strip_terminal(raw) == plain


def test_a_large_image_is_scaled_and_a_small_one_passed_on():
    with Image.open(io.BytesIO(scale_image(image_file(4000, 1000)))) as scaled:
        assert scaled.size == (IMAGE_SIDE, IMAGE_SIDE // 4)
    small = image_file(10, 10)
    assert scale_image(small) == small


def test_a_jpeg_becomes_a_png():
    view = view_outputs([display(image_file(10, 10, "JPEG"), "image/jpeg")])
    assert view.images[0].startswith(b"\x89PNG")


def test_what_a_small_png_carries_besides_its_pixels_is_not_passed_on():
    assert len(scale_image(image_file(10, 10) + b"\0" * (2 << 20))) < 1000


@pytest.mark.parametrize("data", [b"no image", b"\x89PNG\r\n\x1a\n broken", image_file(100, 100)[:-40], b""])
def test_a_broken_image_becomes_a_note(data):
    view = view_outputs([display(data)])
    assert view.images == []
    assert "can't be shown" in view.entries[0]["content"]


def test_an_image_that_unpacks_to_too_many_pixels_is_refused():
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, format="PNG")
    assert "can't be shown" in view_outputs([display(buffer.getvalue())]).entries[0]["content"]


def test_images_and_entries_are_bounded_in_number():
    view = view_outputs([display(image_file(4, 4))] * 200)
    assert len(view.images) == MAX_IMAGES
    assert len(view.entries) <= 61
    assert "outputs left out" in view.entries[30]["content"]


BARE = "<IPython.core.display.HTML object>"


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ({"text/html": "<b>2</b>", "text/plain": "1"}, "1"),
        ({"text/html": "<b>2</b>"}, "2"),
        ({"text/html": "<p>one</p><p>two &amp; three</p>", "text/plain": BARE}, "one\ntwo & three"),
        ({"text/html": "<table><tr><td>1</table>", "text/plain": "<pandas.Styler object at 0x7f12ab>"}, "1"),
        ({"text/html": "<i>x</i>", "text/plain": "<__main__.f.<locals>.Foo at 0x7f12ab>"}, "x"),
        ({"text/html": "<iframe src=x></iframe>", "text/plain": BARE}, BARE),
        ({"text/html": "<script>1</script>"}, "[HTML without text]"),
        ({"text/markdown": "# Title", "text/plain": "<IPython.core.display.Markdown object>"}, "# Title"),
        ({"text/latex": "$x^2$", "text/plain": "<IPython.core.display.Math object>"}, "$x^2$"),
        ({"text/latex": "$x^2$", "text/plain": "x**2"}, "x**2"),
        ({"text/html": "<b>2</b>", "text/plain": "<3 layers>"}, "<3 layers>"),
        ({"image/svg+xml": "<svg><text>label</text></svg>", "text/plain": "<IPython.core.display.SVG object>"},
         "[SVG image, which can't be shown; its text: label]"),
    ],
)  # fmt: skip
def test_an_output_is_shown_in_the_form_that_says_most(data, shown):
    (entry,) = view_outputs([{"output_type": "display_data", "data": data}]).entries
    assert entry["content"] == shown


def test_an_error_is_its_traceback_with_name_and_message_once():
    error = {"output_type": "error", "ename": "E", "evalue": "why", "traceback": ["Traceback", "E: why"]}
    syntax = {**error, "evalue": "why (123.py, line 1)"}
    bare, other = {**error, "traceback": []}, {**error, "traceback": ["E elsewhere"]}
    shown = [entry_text(entry) for entry in view_outputs([error, syntax, bare, other]).entries]
    assert shown == ["Traceback\nE: why", "Traceback\nE: why", "E: why", "E elsewhere\nE: why"]


def test_images_that_cannot_be_shown_count_as_well():
    view = view_outputs([display(b"broken")] * MAX_IMAGES + [display(image_file(4, 4))])
    assert view.images == []
    assert "left out" in view.entries[-1]["content"]


def test_without_images_there_is_a_note_of_each():
    view = view_outputs([display(image_file(4, 4))] * 2, quick=True)
    assert [entry["type"] for entry in view.entries] == ["image", "image"]
    assert view.images == []


@pytest.mark.parametrize(
    ("output", "quick"),
    [
        ({"output_type": "stream", "name": "stdout", "text": ["x"] * QUICK_CHARACTERS}, True),
        ({"output_type": "stream", "name": "stdout", "text": ["x"] * QUICK_CHARACTERS + ["y"]}, False),
        ({"output_type": "execute_result", "data": {"text/plain": "1"}}, True),
        ({"output_type": "execute_result", "data": {"text/plain": "1" * (QUICK_CHARACTERS + 1)}}, False),
        ({"output_type": "execute_result", "data": {"text/plain": "<Styler>", "text/html": "<b>1</b>"}}, False),
        ({"output_type": "display_data", "data": {"image/png": "", "text/plain": "<Figure>"}}, False),
        ({"output_type": "error", "ename": "E", "evalue": "x" * (QUICK_CHARACTERS + 1), "traceback": []}, False),
        ({"output_type": "error", "ename": "E", "evalue": "", "traceback": ["x" * (QUICK_CHARACTERS + 1)]}, False),
    ],
)
def test_only_a_little_plain_text_is_viewed_without_a_thread(output, quick):
    assert is_quick([output]) is quick
