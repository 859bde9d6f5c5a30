from __future__ import annotations

from typing import Any

import pytest

from scribe_suite.notebook.outputs import MAX_OUTPUTS, OutputRecorder


def record(messages: list[tuple[str, Any]], text_limit: int = 1000, image_limit: int = 1000) -> list[dict[str, Any]]:
    outputs: list[dict[str, Any]] = []
    recorder = OutputRecorder(outputs.append, text_limit, image_limit)
    for kind, content in messages:
        recorder.message(kind, content)
    recorder.finish()
    return outputs


def stream(text: Any, name: str = "stdout") -> tuple[str, Any]:
    return "stream", {"name": name, "text": text}


def test_many_small_messages_become_one_chunk_and_streams_stay_apart():
    outputs = record([stream("a"), stream("b"), stream("c", "stderr"), stream("d")])
    assert [(output["name"], output["text"]) for output in outputs] == [
        ("stdout", "ab"),
        ("stderr", "c"),
        ("stdout", "d"),
    ]


def test_text_over_the_limit_keeps_head_and_tail_and_says_how_much_is_missing():
    outputs = record([stream(f"{number:04d}\n") for number in range(1000)], text_limit=1000)
    text = "".join(output["text"] for output in outputs)
    assert text.startswith("0000\n0001\n")
    assert text.endswith("0998\n0999\n")
    assert "[... 4,000 characters left out ...]" in text
    assert len(text) < 1100


def test_one_huge_message_is_cut_too():
    text = "".join(output["text"] for output in record([stream("x" * 1_000_000)], text_limit=1000))
    assert "[... 999,000 characters left out ...]" in text


def test_text_at_the_limit_is_complete():
    assert "".join(output["text"] for output in record([stream("x" * 1000)], text_limit=1000)) == "x" * 1000


def test_an_error_is_kept_whatever_came_before():
    error = {"ename": "ValueError", "evalue": "bad", "traceback": ["line 1", "line 2"]}
    outputs = record([stream("x" * 5000), ("error", error)], text_limit=100)
    assert outputs[-1] == {"output_type": "error", **error}
    assert "4,900 characters left out" in outputs[-2]["text"]


def test_made_up_errors_do_not_get_past_the_limit():
    error = ("error", {"ename": "E", "evalue": "", "traceback": ["t" * 500]})
    outputs = record([error] * 100, text_limit=100)
    assert [output["output_type"] for output in outputs].count("error") == 3


def test_a_gigantic_traceback_is_shortened():
    (output,) = record([("error", {"ename": "E", "evalue": "v" * 10**6, "traceback": ["t" * 10**6]})])
    assert len("".join(output["traceback"])) < 101_000
    assert len(output["evalue"]) <= 100_000


def test_displays_beyond_the_number_kept_are_left_out_with_one_note():
    shown = ("display_data", {"data": {"text/plain": "x"}})
    outputs = record([shown] * (MAX_OUTPUTS + 50), text_limit=10**6)
    assert len(outputs) == MAX_OUTPUTS + 1
    assert "was left out" in outputs[-1]["text"]


def test_images_beyond_the_limit_are_left_out_with_a_note():
    image = ("display_data", {"data": {"image/png": "A" * 600, "text/plain": "<Figure>"}})
    kept, dropped = record([image, image], image_limit=1000)
    assert kept["data"]["image/png"] == "A" * 600
    assert "image/png" in dropped["text"]


@pytest.mark.parametrize(
    "message",
    [
        ("display_data", {"data": {"application/x-evil": "x"}}),
        ("display_data", {"data": {"text/plain": ["not", "text"]}}),
        ("display_data", {"data": {"image/png": "<script>"}}),
        ("display_data", {"data": 5}),
        ("display_data", {}),
        ("execute_result", {"data": None}),
        ("update_display_data", {"data": {"text/plain": "x"}}),
        ("update_display_data", {"data": {"text/plain": "x"}, "transient": 5}),
        ("comm_open", {"data": {}}),
        ("stream", "not a dict"),
        ("made up", {}),
    ],
)
def test_messages_that_make_no_sense_put_out_nothing(message):
    assert record([message]) == []


def test_values_of_the_wrong_type_become_text():
    outputs = record([stream(5), stream("\ud800"), ("error", {"ename": 1, "evalue": None, "traceback": "no list"})])
    assert outputs[0]["text"] == "5?"
    assert outputs[1] == {"output_type": "error", "ename": "1", "evalue": "None", "traceback": []}


def test_threads_that_print_after_the_end_cannot_exceed_the_limit():
    outputs: list[dict[str, Any]] = []
    recorder = OutputRecorder(outputs.append, 100, 100)
    recorder.message(*stream("x" * 90))
    recorder.finish()
    for _ in range(100):
        recorder.message(*stream("y" * 90))
        recorder.flush()
    assert sum(len(output["text"]) for output in outputs) <= 200
