from __future__ import annotations

import base64
import io
import json

import pytest
from PIL import Image

from scribe_suite.notebook.agent_view import IMAGE_SIDE, MAX_IMAGES, fit_text, scale_image, view_outputs
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


def test_the_text_of_a_result_stays_below_the_limit_and_is_valid_json():
    payload = {"outputs": [{"type": "text", "content": "\n" * 100_000}, {"type": "text", "content": "b" * 100_000}]}
    text = fit_text(payload, 39_000)
    assert len(text) < 39_000
    parsed = json.loads(text)
    assert "characters left out" in parsed["outputs"][0]["content"]
    assert parsed["outputs"][1]["content"].startswith("bbb")
    assert parsed["outputs"][1]["content"].endswith("bbb")


def test_a_traceback_of_many_lines_is_cut_as_a_whole():
    text = fit_text({"outputs": [{"type": "error", "traceback": [f"line {n}" for n in range(20_000)]}]}, 39_000)
    lines = json.loads(text)["outputs"][0]["traceback"]
    assert len(text) < 39_000
    assert (lines[0], lines[-1]) == ("line 0", "line 19999")


def test_short_text_is_untouched():
    payload = {"outputs": [{"type": "text", "content": "λ short"}]}
    assert fit_text(payload, 39_000) == '{"outputs": [{"type": "text", "content": "λ short"}]}'


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


def test_html_is_shown_only_where_there_is_no_plain_text():
    both = {"output_type": "execute_result", "data": {"text/html": "<b>1</b>", "text/plain": "1"}}
    html = {"output_type": "display_data", "data": {"text/html": "<b>1</b>"}}
    assert [entry["content"] for entry in view_outputs([both, html]).entries] == ["1", "<b>1</b>"]


def test_images_that_cannot_be_shown_count_as_well():
    view = view_outputs([display(b"broken")] * MAX_IMAGES + [display(image_file(4, 4))])
    assert view.images == []
    assert "left out" in view.entries[-1]["content"]


def test_without_images_there_is_a_note_of_each():
    view = view_outputs([display(image_file(4, 4))] * 2, max_images=0)
    assert [entry["type"] for entry in view.entries] == ["image", "image"]
    assert view.images == []
