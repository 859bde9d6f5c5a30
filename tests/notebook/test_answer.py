from __future__ import annotations

import base64
import hashlib
import json
import tracemalloc

import pytest

from scribe_suite.notebook.answer import decode_answer, reading_expression
from scribe_suite.notebook.config import NotebookConfig, SubmitVerdict
from scribe_suite.notebook.errors import AnswerUnreadableError
from scribe_suite.notebook.server import NotebookServer

from .agent import Agent, Answer, journal_events, play


def reply(marked: str) -> dict[str, object]:
    return {"answer": {"status": "ok", "data": {"text/plain": repr(base64.b64encode(marked.encode()).decode())}}}


def test_an_answer_is_submitted_as_json_text_with_arrays_tensors_and_nan(server, submitted, folder):
    async def scenario(agent: Agent) -> tuple[Answer, str]:
        values = "{'a': np.arange(2), 'b': {2, 1}, 'c': float('nan'), 'd': (np.float32(1), None)}"
        await agent.run(f"import numpy as np\nmine = {values}")
        return await agent.submit("mine"), agent.notebook_path

    answer, name = play(server, scenario)
    assert answer.payload == {"accepted": True, "message": "noted"}
    assert submitted[-1] == '{"a": [0, 1], "b": [1, 2], "c": NaN, "d": [1.0, null]}'
    (event,) = (event for event in journal_events(folder, name) if event["event"] == "submission")
    assert (event["variable"], event["accepted"], event["answer"]) == ("mine", True, submitted[-1])


def test_half_a_character_in_an_answer_is_named_and_a_whole_one_is_taken(server, shared, submitted):
    async def scenario(agent: Agent) -> list[Answer]:
        await agent.run("half = {'summary': 'cut \\ud83d'}\nname = {'\\ude00': 1}\nwhole = {'summary': '\\U0001f600'}")
        return [await agent.submit(variable) for variable in ("half", "name", "whole")]

    half, name, whole = play(server, scenario, session_id=shared)
    assert "U+D83D" in half.error
    assert "U+DE00" in name.error
    assert whole.payload["accepted"]
    assert submitted[-1] == '{"summary": "\\ud83d\\ude00"}'


def test_a_tensor_is_submitted_as_numbers(tmp_path):
    texts: list[str] = []

    async def scenario(agent: Agent) -> Answer:
        values = "{'t': torch.ones(2, dtype=torch.bfloat16, requires_grad=True), 's': torch.tensor(3)}"
        await agent.run(f"import torch\nanswer = {values}")
        return await agent.submit()

    with NotebookServer(NotebookConfig(tmp_path)) as server:
        answer = play(server, scenario)
        texts.append((tmp_path / "notebooks" / "notebook.answer.json").read_text())
    assert "notebook.answer.json" in answer.payload["message"]
    assert texts == ['{"t": [1.0, 1.0], "s": 3}']


def test_a_refused_answer_is_an_error_with_the_judge_s_message_and_may_be_submitted_again(server, shared):
    async def scenario(agent: Agent) -> tuple[Answer, Answer]:
        await agent.run("answer = 'refuse me'")
        refused = await agent.submit()
        await agent.run("answer = 'better'")
        return refused, await agent.submit()

    refused, accepted = play(server, scenario, session_id=shared)
    assert (refused.is_error, refused.payload["accepted"], refused.payload["message"]) == (True, False, "noted")
    assert accepted.payload["accepted"]


def test_submitting_leaves_no_trace_in_the_session(server):
    async def scenario(agent: Agent) -> tuple[Answer, Answer]:
        await agent.run("answer = {}\nprevious = set(globals())")
        await agent.submit()
        return await agent.run("set(globals()) - previous - {'previous', '_i2', '_i3', '_3', '_2'}"), await agent.run(
            "_ih[-2]"
        )

    names, last_input = play(server, scenario)
    assert names.output == "set()"
    assert names.payload["execution_count"] == 3
    assert "previous" in last_input.output


def test_shadowed_builtins_do_not_matter(server):
    async def scenario(agent: Agent) -> Answer:
        await agent.run("list = dict = str = len = exec = isinstance = sorted = None\nanswer = {'a': {1}}")
        return await agent.submit()

    assert play(server, scenario).payload["accepted"]


@pytest.mark.parametrize(
    ("code", "variable", "said"),
    [
        ("anwser = 1", "answer", "Did you mean anwser?"),
        ("pass", "__import__('os')", "is not the name of a variable"),
        ("pass", "class", "is not the name of a variable"),
        ("answer = {'x': object()}", "answer", "answer['x'] is a object"),
        ("answer = 'x' * 9_000_000", "answer", "8,388,608 bytes"),
        ("import numpy\nanswer = numpy.zeros((5000, 5000))", "answer", "8,388,608 bytes"),
    ],
)
def test_what_cannot_be_submitted_is_explained(server, shared, submitted, code, variable, said):
    count = len(submitted)

    async def scenario(agent: Agent) -> Answer:
        await agent.run(f"globals().pop('answer', None)\n{code}")
        return await agent.submit(variable)

    assert said in play(server, scenario, session_id=shared).error
    assert len(submitted) == count


def test_a_value_that_raises_or_hangs_while_it_is_read_costs_only_the_submission(tmp_path):
    async def scenario(agent: Agent) -> tuple[Answer, Answer, Answer]:
        await agent.run("class Bad(dict):\n    def keys(self): raise RuntimeError('no keys')\nanswer = Bad()")
        raised = await agent.submit()
        await agent.run("class Slow(dict):\n    def keys(self):\n        while True: pass\nanswer = Slow()")
        return raised, await agent.submit(), await agent.run("1 + 1")

    with NotebookServer(NotebookConfig(tmp_path, cell_timeout_s=1)) as server:
        raised, hung, after = play(server, scenario)
    assert "RuntimeError: no keys" in raised.error
    assert "more than 1 seconds" in hung.error
    assert after.output == "2"


def test_a_judge_that_raises_is_the_infrastructure_s_failure(tmp_path):
    def judge(_text: str) -> None:
        raise KeyError("bug")

    async def scenario(agent: Agent) -> Answer:
        await agent.run("answer = 1")
        return await agent.submit()

    with NotebookServer(NotebookConfig(tmp_path), judge) as server:
        assert "not your doing" in play(server, scenario).error
        assert server.status().infrastructure_cause == "submit_callback"


@pytest.mark.parametrize(
    ("expressions", "said"),
    [
        ({}, "did not return the variable"),
        ({"answer": "text"}, "did not return the variable"),
        ({"answer": {"status": "error", "ename": "\x1b[31mE", "evalue": 3}}, "raised E: 3"),
        ({"answer": {"status": "ok", "data": None}}, "can't be read"),
        ({"answer": {"status": "ok", "data": {"text/plain": "__import__('os')"}}}, "can't be read"),
        ({"answer": {"status": "ok", "data": {"text/plain": "'not base64!'"}}}, "can't be read"),
        ({"answer": {"status": "ok", "data": {"text/plain": "[" + "1," * 5_000 + "]"}}}, "can't be read"),
        ({"answer": {"status": "ok", "data": {"text/plain": "'K3t9' 'K3t9'"}}}, "can't be read"),
        ({"answer": {"status": "ok", "data": {"text/plain": "'"}}}, "can't be read"),
        ({"answer": {"status": "error", "ename": "E", "evalue": "\x1b\x1b[mc\x9b"}}, "raised E: c$"),
        (reply("no mark"), "can't be read"),
        (reply("-because"), "because"),
        (reply("-\x1b]0;title\x07because\x08"), "read: because$"),
        (reply("+{not json"), "not JSON"),
        (reply("+" + json.dumps("x" * 2000)), "larger than 1,000 bytes"),
        (reply("+" + json.dumps("x" * 20_000)), "can't be read"),
    ],
)
def test_a_kernel_that_lies_about_the_answer_is_refused(expressions, said):
    with pytest.raises(AnswerUnreadableError, match=said):
        decode_answer(expressions, 1000)


def test_an_answer_nested_too_deep_for_a_parser_is_refused():
    with pytest.raises(AnswerUnreadableError, match="not JSON"):
        decode_answer(reply("+" + "[" * 100_000), 200_000)


def test_text_that_a_parser_would_take_long_over_is_refused_without_one():
    literal = "'a'" + ".a" * 3_000_000
    tracemalloc.start()
    try:
        with pytest.raises(AnswerUnreadableError, match="can't be read"):
            decode_answer({"answer": {"status": "ok", "data": {"text/plain": literal}}}, 8 << 20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20, "a parser builds a tree"


def test_an_honest_reply_is_the_json_text():
    assert decode_answer(reply('+{"a": NaN}'), 1000) == '{"a": NaN}'


def test_the_reading_expression_is_one_expression():
    assert compile(reading_expression("answer", 10), "test", "eval")


@pytest.mark.parametrize("size", [1_000_000, 1_000_001])
def test_an_array_of_four_megabytes_comes_through_and_the_journal_has_its_checksum(tmp_path, size):
    texts: list[str] = []

    def judge(text: str) -> SubmitVerdict:
        texts.append(text)
        return SubmitVerdict(True, "noted")

    async def scenario(agent: Agent) -> Answer:
        await agent.run(f"import numpy as np\nanswer = {{'rows': np.ones({size}, dtype=np.float32), 'more': 1}}")
        return await agent.submit()

    with NotebookServer(NotebookConfig(tmp_path, answer_arrays={"rows": 4_000_000}), judge) as server:
        answer = play(server, scenario)
    if size > 1_000_000:
        assert "4,000,004 bytes of numbers, and at most 4,000,000 can be submitted" in answer.error
        assert texts == []
        return
    coded = json.loads(texts[0])["rows"]["npy"]
    assert len(base64.b64decode(coded)) == 128 + 4 * size
    (event,) = (event for event in journal_events(tmp_path, "notebook.ipynb") if event["event"] == "submission")
    quoted = {"base64_sha256": hashlib.sha256(coded.encode()).hexdigest(), "characters": len(coded)}
    assert json.loads(event["answer"]) == {"more": 1, "rows": quoted}
    assert event["bytes"] == len(texts[0])
