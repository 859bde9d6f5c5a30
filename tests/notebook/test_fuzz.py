"""Arbitrary input at every boundary: tool arguments, the socket, and what a kernel says."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import nbformat
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from scribe_suite.notebook.agent_view import entry_text, view_outputs
from scribe_suite.notebook.answer import EXPRESSION_NAME, decode_answer
from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.document import Document
from scribe_suite.notebook.endpoint import STRUCTURED
from scribe_suite.notebook.errors import AnswerUnreadableError
from scribe_suite.notebook.outputs import OutputRecorder
from scribe_suite.notebook.reply_text import fit_parts, fit_payload
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.notebook.tools import describe_tools

from .raw import LIST, Raw

TEXT_CAP = 40_000
TOOLS = {tool.name: tool.input_schema for tool in describe_tools()}
STARTING = sorted(name for name in TOOLS if name.startswith("start_"))
OTHER = sorted(set(TOOLS) - set(STARTING))

# every code point, lone surrogates and NUL too; but no shell commands and no magics, since code may be run
CHARACTERS = st.characters(exclude_characters="!%", exclude_categories=())
TEXTS = st.one_of(
    st.text(CHARACTERS, max_size=20),
    st.sampled_from(["", "\x00", "\ud800", "../..", "s1", "notebook.ipynb", "nan", "\u202e", "\x1b[31m"]),
    st.builds(lambda text, count: text * count, st.text(CHARACTERS, min_size=1, max_size=3), st.just(60_000)),
)
NUMBERS = st.one_of(st.integers(), st.integers(-(10**4000), 10**4000), st.floats())
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=8,
)
DEEP = json.loads("[" * 400 + "]" * 400)


def fuzz(examples: int) -> Any:
    return settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )


def plausible(name: str) -> st.SearchStrategy[Any]:
    """Values of an argument that get past the checks of its type, so that the checks behind them are met."""
    known: dict[str, list[Any]] = {
        "session_id": ["s1"],
        "notebook_path": ["notebook.ipynb", "notebooks/notebook", "notebook.journal.jsonl", "."],
        "cell_index": [0, -1, 10**30, -(10**30)],
        "variable": ["answer", "__builtins__", "In", "class", "ª"],
        "code": ["answer = {1: 2}\nanswer", "1 / 0"],
    }
    return st.sampled_from(known[name]) if name in known else TEXTS


def fitting(tool: str) -> st.SearchStrategy[dict[str, Any]]:
    """Arguments near those that a tool takes: some missing, some odd, some that it does not know."""
    properties = TOOLS[tool]["properties"]
    each = {
        name: st.one_of(plausible(name), plausible(name), TEXTS if schema.get("type") == "string" else VALUES, VALUES)
        for name, schema in properties.items()
    }
    required = {name: value for name, value in each.items() if name in TOOLS[tool].get("required", ())}
    optional = {name: value for name, value in each.items() if name not in required}
    near = st.fixed_dictionaries(required, optional=optional)
    missing = st.fixed_dictionaries({}, optional=each)
    extra = st.builds(lambda arguments, more: {**more, **arguments}, near, st.dictionaries(TEXTS, VALUES, max_size=2))
    return st.one_of(near, near, missing, extra)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    config = NotebookConfig(
        tmp_path_factory.mktemp("attempt"), cell_timeout_s=30, interrupt_grace_s=5, max_sessions=2, start_timeout_s=60
    )
    with NotebookServer(config) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: NotebookServer) -> Iterator[Raw]:
    """A connection whose server has session s1."""
    with Raw(server) as client:
        assert call(client, "start_new_session", {})["session_id"] == "s1"
        yield client


def exchange(client: Raw, line: bytes) -> list[dict[str, Any]]:
    """Send a line, then a request that must be answered; all that comes until it is."""
    client.send(line + b"\n")
    client.send(LIST)
    replies = [client.receive()]
    while replies[-1].get("id") != "list" or "result" not in replies[-1]:
        assert len(replies) < 100
        replies.append(client.receive())
    return replies


def request(tool: str, arguments: Any, number: int = 7) -> bytes:
    params = {"name": tool, "arguments": arguments, "_meta": {STRUCTURED: True}}
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}).encode()


def call(client: Raw, tool: str, arguments: Any) -> dict[str, Any]:
    """Call a tool; its payload, or the error of the protocol, after checking that either is well-formed."""
    client.send(request(tool, arguments) + b"\n")
    reply = client.receive()
    while "method" in reply:  # progress, or a message of the server's
        reply = client.receive()
    assert reply["id"] == 7
    if "error" in reply:
        assert isinstance(reply["error"]["code"], int)
        assert 0 < len(reply["error"]["message"]) < 2000
        return {"error": reply["error"]["message"]}
    first = reply["result"]["content"][0]
    assert first["type"] == "text"
    assert len(first["text"]) < TEXT_CAP
    payload = reply["result"]["structuredContent"]
    assert len(json.dumps(payload, ensure_ascii=False)) < 2 * TEXT_CAP
    if reply["result"].get("isError"):
        assert payload.get("error") or payload.get("message")
    return payload


def assert_well(server: NotebookServer, client: Raw) -> None:
    """A normal call works, and nothing that happened was blamed on the infrastructure."""
    payload = call(client, "execute_code", {"session_id": "s1", "code": "1 + 1"})
    assert payload.get("outputs") == [{"type": "result", "content": "2"}], payload
    assert server.status().infrastructure_error is None


@pytest.mark.slow
@pytest.mark.parametrize("tool", OTHER)
def test_whatever_the_arguments_a_tool_answers_and_the_next_call_works(server, client, tool):
    @fuzz(25)
    @given(arguments=st.one_of(fitting(tool), fitting(tool), VALUES))
    @example(arguments={"session_id": "s1", "code": "x" * 1_000_001})
    @example(arguments={"session_id": "s1", "code": "print('\ud800')", "content": "\ud800", "variable": "\ud800"})
    @example(arguments={"session_id": "s1", "code": "1", "cell_index": 10**4290, "content": "\x00"})
    @example(arguments={"session_id": "no such session", "code": DEEP, "variable": DEEP})
    def check(arguments: Any) -> None:
        if tool == "shutdown_session" and isinstance(arguments, dict) and arguments.get("session_id") == "s1":
            return  # the next example needs it
        call(client, tool, arguments)

    check()
    assert_well(server, client)


@pytest.mark.slow
@pytest.mark.parametrize("tool", STARTING)
def test_whatever_the_arguments_a_session_starts_or_says_why_not(server, client, tool):
    @fuzz(10)
    @given(arguments=st.one_of(fitting(tool), fitting(tool), VALUES))
    @example(arguments={"notebook_path": "n" * 300, "experiment_name": "e" * 300})
    def check(arguments: Any) -> None:
        payload = call(client, tool, arguments)
        assert ("error" in payload) != ("session_id" in payload)
        if "session_id" in payload:
            assert "error" not in call(client, "shutdown_session", {"session_id": payload["session_id"]})

    check()
    assert_well(server, client)


MESSAGES = st.fixed_dictionaries(
    {"jsonrpc": st.sampled_from(["2.0", "2.0", "1.0", 2])},
    optional={
        "id": st.one_of(st.integers(), TEXTS, VALUES),
        "method": st.one_of(
            st.sampled_from(
                [
                    *("initialize", "ping", "tools/list", "tools/call", "resources/list", "logging/setLevel"),
                    *("notifications/cancelled", "notifications/progress", "notifications/initialized"),
                ]
            ),
            TEXTS,
        ),
        "params": st.one_of(
            VALUES,
            st.fixed_dictionaries(
                {},
                optional={
                    "name": st.sampled_from(["list_cells", "interrupt", "no such tool", 5]),
                    "arguments": VALUES,
                    "_meta": st.one_of(VALUES, st.fixed_dictionaries({"progressToken": VALUES})),
                    "requestId": VALUES,
                    "progressToken": VALUES,
                    "cursor": VALUES,
                },
            ),
        ),
        "result": VALUES,
        "error": VALUES,
    },
)


@pytest.mark.slow
@fuzz(100)
@given(
    lines=st.lists(
        st.one_of(
            st.binary(max_size=200),
            st.builds(lambda value: json.dumps(value).encode(), st.one_of(VALUES, MESSAGES, MESSAGES)),
        ),
        min_size=1,
        max_size=4,
    )
)
@example(lines=[b'{"jsonrpc": "2.0", "id": ' + b"9" * 5000 + b', "method": "ping"}'])
@example(lines=[b"9" * 5000])
@example(lines=[b'{"a":' * 5000])
@example(lines=[request("interrupt", {}).replace(b"{}", b'{"x": ' + b"9" * 5000 + b"}")])
def test_whatever_is_sent_to_the_socket_the_connection_answers_and_so_does_a_new_one(server, client, lines):
    with Raw(server) as other:
        for line in lines:
            for reply in exchange(other, line):
                assert reply["jsonrpc"] == "2.0"
                assert reply.keys() & {"result", "error", "method"}
    client.assert_alive()
    assert server.status().infrastructure_error is None


MIME = st.sampled_from(["text/plain", "text/html", "image/png", "image/jpeg", "image/svg+xml", "application/json"])
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\x00" * 40).decode()
DATA = st.one_of(VALUES, st.dictionaries(MIME, st.one_of(TEXTS, VALUES, st.just(PNG)), max_size=3))
KINDS = ["stream", "display_data", "update_display_data", "execute_result", "error", "clear_output", "status", "comm"]
CONTENTS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.one_of(st.sampled_from(["stdout", "stderr"]), VALUES),
        "text": st.one_of(TEXTS, VALUES),
        "data": DATA,
        "metadata": VALUES,
        "transient": st.one_of(VALUES, st.fixed_dictionaries({"display_id": st.one_of(st.just("d"), VALUES)})),
        "execution_count": VALUES,
        "ename": VALUES,
        "evalue": VALUES,
        "traceback": st.one_of(VALUES, st.lists(TEXTS, max_size=3)),
        "wait": VALUES,
    },
)


@pytest.mark.slow
@fuzz(150)
@given(
    messages=st.lists(st.tuples(st.sampled_from(KINDS), st.one_of(CONTENTS, CONTENTS, VALUES)), max_size=8),
    limit=st.sampled_from([0, 100, 200_000]),
)
@example(messages=[("stream", {"text": 10**5000}), ("error", {"ename": 10**5000, "traceback": [DEEP]})], limit=100)
def test_whatever_a_kernel_says_is_a_valid_notebook_and_a_result_that_fits(messages, limit):
    document = Document()
    started = {"event": "cell_started", "cell": "c", "run": 1, "kind": "agent", "code": "\ud800\x00"}
    finished = {"event": "cell_finished", "cell": "c", "run": 1, "status": "ok", "execution_count": 1}
    document.apply(started)
    events = [started]

    def emit(output: dict[str, Any]) -> None:
        events.append({"event": "output", "cell": "c", "run": 1, "output": output})
        document.apply(events[-1])

    recorder = OutputRecorder(emit, limit, limit)
    for kind, content in messages:
        recorder.message(kind, content)
        nbformat.validate(nbformat.reads(document.render().decode(), 4))
    recorder.finish()
    document.apply(finished)
    nbformat.validate(nbformat.reads(document.render().decode(), 4))
    again = Document.from_events(json.loads(json.dumps([*events, finished])))
    assert again.render() == document.render()
    view = view_outputs(document.cell("c").outputs)
    assert len(fit_parts([entry_text(entry) for entry in view.entries], TEXT_CAP)[0]) < TEXT_CAP
    assert len(json.dumps(fit_payload({"outputs": view.entries}, TEXT_CAP), ensure_ascii=False)) < TEXT_CAP


@fuzz(150)
@given(
    reply=st.one_of(
        VALUES,
        st.fixed_dictionaries(
            {"status": st.sampled_from(["ok", "error"])},
            optional={
                "data": st.one_of(DATA, st.builds(lambda t: {"text/plain": repr(t)}, st.binary())),
                "ename": TEXTS,
            },
        ),
    )
)
@example(reply={"status": "ok", "data": {"text/plain": repr(base64.b64encode(b"+" + b"[" * 10**5).decode())}})
@example(reply={"status": "ok", "data": {"text/plain": repr(base64.b64encode(b"+" + b"9" * 5000).decode())}})
@example(reply={"status": "ok", "data": {"text/plain": "(" * 5000}})
@example(reply={"status": "ok", "data": {"text/plain": "\x00"}})
@example(reply={"status": "error", "ename": 10**5000, "evalue": DEEP})
def test_whatever_a_kernel_returns_as_an_answer_is_json_or_refused(reply):
    with contextlib.suppress(AnswerUnreadableError):
        json.loads(decode_answer({EXPRESSION_NAME: reply}, 100_000))
