from __future__ import annotations

import asyncio
import selectors
import tracemalloc
from typing import Any

import pytest

from scribe_suite.notebook.outputs import (
    MAX_CLEARS,
    MAX_OUTPUTS,
    MAX_SWITCHES,
    MAX_TRACEBACK,
    OutputRecorder,
    PromptRecorder,
)


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


def test_a_structure_where_text_belongs_is_told_by_its_type():
    error = {"ename": [1], "evalue": {"a": 1}, "traceback": [[2], 3, "line"]}
    outputs = record([stream([1, 2]), ("error", error)])
    assert outputs[0]["text"] == "<list>"
    assert (outputs[1]["ename"], outputs[1]["evalue"]) == ("<list>", "<dict>")
    assert outputs[1]["traceback"] == ["<list>", "3", "line"]


def test_a_long_traceback_keeps_its_first_and_last_lines():
    (output,) = record([("error", {"ename": "E", "evalue": "", "traceback": [f"line {n}" for n in range(5000)]})])
    assert len(output["traceback"]) == MAX_TRACEBACK + 1
    assert (output["traceback"][0], output["traceback"][-1]) == ("line 0", "line 4999")


LARGE = 20_000_000
ZEROS = [0] * LARGE


@pytest.mark.parametrize(
    "message",
    [
        ("error", {"ename": "", "evalue": "", "traceback": ZEROS}),
        ("error", {"ename": ZEROS, "evalue": ZEROS, "traceback": [ZEROS]}),
        ("error", {"ename": "\u2713" * LARGE, "evalue": "\u2713" * LARGE, "traceback": ["\u2713" * LARGE] * 2}),
        ("stream", {"text": ZEROS, "name": ZEROS}),
        ("stream", {"text": "\u2713" * LARGE}),
        ("display_data", {"data": {"text/plain": ZEROS}, "metadata": ZEROS, "transient": ZEROS}),
        ("display_data", {"data": {"text/plain": "\u2713" * LARGE, "image/png": "A" * LARGE}}),
        ("display_data", {"data": dict.fromkeys(map(str, range(100_000)), "x"), "transient": {"display_id": ZEROS}}),
        ("update_display_data", {"data": {"text/plain": "x"}, "transient": {"display_id": "\u2713" * LARGE}}),
        ("execute_result", {"data": {"text/html": "\ud800" * LARGE}, "metadata": ZEROS}),
        ("clear_output", {"wait": ZEROS}),
    ],
)
def test_what_is_far_too_large_costs_no_more_than_what_is_kept(message):
    recorder = OutputRecorder(lambda _output: None, 1_000_000, 1_000_000)
    tracemalloc.start()
    try:
        recorder.message(*message)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < LARGE  # what is kept takes some bytes per character, a copy of the rest at least one


def test_threads_that_print_after_the_end_cannot_exceed_the_limit():
    outputs: list[dict[str, Any]] = []
    recorder = OutputRecorder(outputs.append, 100, 100)
    recorder.message(*stream("x" * 90))
    recorder.finish()
    for _ in range(100):
        recorder.message(*stream("y" * 90))
        recorder.flush()
    assert sum(len(output["text"]) for output in outputs) <= 200


def test_streams_that_alternate_for_ever_are_joined_after_a_while():
    outputs = record([stream("x", ("stdout", "stderr")[n % 2]) for n in range(10 * MAX_SWITCHES)], text_limit=10**6)
    assert len(outputs) == MAX_SWITCHES
    assert sum(len(output["text"]) for output in outputs) == 10 * MAX_SWITCHES


def test_outputs_that_are_cleared_for_ever_are_no_longer_cleared_after_a_while():
    assert len(record([("clear_output", {"wait": True})] * (MAX_CLEARS + 10))) == MAX_CLEARS


class _Jumping(selectors.SelectSelector):
    """Instead of waiting it moves a clock on: nothing in this loop comes from outside of it."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return super().select(0)


def loop_with_its_own_clock() -> asyncio.SelectorEventLoop:
    selector = _Jumping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now
    return loop


def flushing(interval_s: float, texts: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """When a recorder passed on what, given texts with the pauses before them."""
    passed: list[tuple[float, str]] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()

        def emit(output: dict[str, Any]) -> None:
            passed.append((loop.time(), output["text"]))

        recorder = PromptRecorder(OutputRecorder(emit, 10**6, 0), interval_s, lambda: None)
        for pause, text in texts:
            await asyncio.sleep(pause)
            recorder.message(*stream(text))
        await asyncio.sleep(2 * interval_s)
        recorder.finish()

    with asyncio.Runner(loop_factory=loop_with_its_own_clock) as runner:
        runner.run(run())
    return passed


def test_text_after_a_quiet_time_is_passed_on_at_once_and_the_rest_a_few_times_a_second():
    texts = [(0.0, "a"), *[(0.0, "b")] * 1000, (0.5, "c"), (0.0, "d")]
    passed = flushing(0.1, texts)
    assert [text for _, text in passed] == ["a", "b" * 1000, "c", "d"]
    assert [when for when, _ in passed] == pytest.approx([0.0, 0.1, 0.5, 0.6])
