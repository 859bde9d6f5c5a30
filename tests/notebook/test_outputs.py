from __future__ import annotations

import asyncio
import re
import selectors
import tracemalloc
from typing import Any

import pytest

from scribe_suite.notebook.outputs import (
    LEAST_TEXT,
    MAX_CLEARS,
    MAX_LAST_DISPLAYS,
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


def plain(output: dict[str, Any]) -> str:
    return output["text"] if "text" in output else output["data"]["text/plain"]


def shown(text: str, kind: str = "display_data", **more: Any) -> tuple[str, Any]:
    return kind, {"data": {"text/plain": text, **more.pop("data", {})}, **more}


def test_of_displays_beyond_the_number_kept_the_last_ones_are_kept_and_a_note_tells_of_the_others():
    outputs = record([shown(str(number)) for number in range(1000)], text_limit=10**6)
    last = MAX_LAST_DISPLAYS
    assert [plain(output) for output in outputs[:MAX_OUTPUTS]] == [str(number) for number in range(MAX_OUTPUTS)]
    assert plain(outputs[MAX_OUTPUTS]) == f"\n[... {1000 - MAX_OUTPUTS - last} outputs left out ...]\n"
    assert [plain(output) for output in outputs[MAX_OUTPUTS + 1 :]] == [str(n) for n in range(1000 - last, 1000)]


def test_a_display_that_is_updated_for_ever_ends_with_its_last_update():
    update = [shown(str(n), "update_display_data", transient={"display_id": "bar"}) for n in range(3 * MAX_OUTPUTS)]
    outputs = record(update, text_limit=10**6)
    assert len(outputs) == MAX_OUTPUTS + 1
    assert (plain(outputs[-1]), outputs[-1]["display_id"]) == (str(3 * MAX_OUTPUTS - 1), "bar")


def test_what_is_cleared_is_not_among_the_last_outputs():
    for wait in (False, True):
        messages = [stream("x" * 5000), shown("old"), ("clear_output", {"wait": wait}), shown("new")]
        outputs = record(messages, text_limit=1000)
        assert outputs[0]["text"] == "x" * 750
        assert [plain(output) for output in outputs[2:]] == ["new"]


def test_a_result_is_kept_whatever_was_printed_before():
    printed, end, result = record([stream("x" * 5000), shown("42", "execute_result")], text_limit=1000)
    assert (len(printed["text"]), plain(result)) == (750, "42")
    assert "4,002 characters left out" in end["text"]


@pytest.mark.parametrize("kind", ["display_data", "execute_result", "update_display_data"])
def test_a_text_over_the_limit_is_shortened_in_the_middle(kind):
    text = "".join(f"{number:05d}" for number in range(2000))
    (output,) = record([shown(text, kind, transient={"display_id": "x"})], text_limit=1000)
    short = output["data"]["text/plain"]
    assert (short[:5], short[-5:]) == ("00000", "01999")
    assert re.search(r"\[\.\.\. 9,\d\d\d characters left out \.\.\.\]", short)
    assert len(short) <= 750


def test_every_representation_has_a_limit_of_its_own():
    data = {"text/html": "<td>" * 1000, "text/latex": "$x$"}
    outputs = record([shown("x" * 700, data=data), shown("y" * 40, data=data)], text_limit=1000)
    assert [plain(output) for output in outputs] == ["x" * 700, "y" * 40]
    assert [len(output["data"]["text/html"]) <= LEAST_TEXT for output in outputs] == [True, True]
    assert [output["data"]["text/latex"] for output in outputs] == ["$x$", "$x$"]


def test_a_text_that_the_kernel_has_shortened_is_said_to_lack_what_is_missing_in_all():
    text = f"{'x' * 1000}\n[... 9,000 characters left out ...]\n{'y' * 1000}"
    (output,) = record([shown(text)], text_limit=1000)
    short = output["data"]["text/plain"]
    kept = short.count("x") + short.count("y")
    assert f"[... {11_000 - kept:,} characters left out ...]" in short


def test_images_beyond_the_limit_are_left_out_with_a_note():
    image = shown("<Figure>", data={"image/png": "A" * 600})
    kept, dropped = record([image, image], image_limit=1000)
    assert kept["data"] == {"image/png": "A" * 600, "text/plain": "<Figure>"}
    assert "image/png" not in dropped["data"]
    assert plain(dropped).startswith("<Figure>\n[image/png was left out")


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
    assert outputs[0]["text"] == "5\ufffd"
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
