from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator

import pytest

from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.notebook.transport import MAX_LINE_BYTES, MAX_MALFORMED

from .raw import LIST, Raw


@pytest.fixture(scope="module")
def plain_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    with NotebookServer(NotebookConfig(tmp_path_factory.mktemp("attempt"))) as server:
        yield server


@pytest.mark.parametrize(
    ("line", "request_id", "code"),
    [
        (b"garbage", None, -32700),
        (b"\xff\xfe\x00", None, -32700),
        (b'{"jsonrpc": "2.0", "id": 1', None, -32700),
        (b"[" * 100_000, None, -32700),
        (b"[]", None, -32600),
        (b"42", None, -32600),
        (b'{"jsonrpc": "2.0", "id": 7, "method": 5}', 7, -32600),
        (b'{"id": "x", "method": "tools/call", "params": [1]}', "x", -32600),
    ],
)
def test_a_line_that_is_no_message_gets_an_error_and_costs_nothing_else(plain_server, line, request_id, code):
    with Raw(plain_server) as client:
        client.send(line + b"\n")
        reply = client.receive()
        assert (reply["id"], reply["error"]["code"]) == (request_id, code)
        client.assert_alive()


HALF = "\\ud83d"


@pytest.mark.parametrize("code", [HALF.encode(), b"\xed\xa0\xbd", b"\xff", HALF.replace("d83d", "DE00").encode()])
def test_half_a_character_in_a_text_becomes_the_replacement_character(plain_server, code):
    with Raw(plain_server) as client:
        client.call(1, "start_new_session", {})
        session = client.receive()["result"]["content"][0]["text"].split()[1]
        for number, (tool, name) in enumerate([("execute_code", "code"), ("add_markdown", "content")], start=2):
            client.send(
                b'{"jsonrpc": "2.0", "id": %d, "method": "tools/call", "params": {"name": "%s", "arguments": '
                b'{"session_id": "%s", "%s": "\'a%sb\'"}}}\n'
                % (number, tool.encode(), session.encode(), name.encode(), code)
            )
            assert not client.receive()["result"]["isError"]
        client.call(4, "list_cells", {"session_id": session})
        listed = client.receive()["result"]["content"][0]["text"]
        assert listed.count("'a\ufffdb'") == 3
        client.call(5, "shutdown_session", {"session_id": session})
        client.receive()
    assert plain_server.status().infrastructure_error is None


def test_a_pair_that_was_written_half_by_half_is_its_character(plain_server):
    with Raw(plain_server) as client:
        client.send(b'{"jsonrpc": "2.0", "id": "\xed\xa0\xbd\xed\xb8\x80\\ud800", "method": "ping"}\n')
        assert client.receive()["id"] == "\U0001f600\ufffd"


def test_empty_lines_are_ignored(plain_server):
    with Raw(plain_server) as client:
        client.send(b"\n\r\n  \n")
        client.assert_alive()


def test_a_line_longer_than_any_message_is_refused_without_being_kept(plain_server):
    with Raw(plain_server) as client:
        for _ in range(MAX_LINE_BYTES // (1 << 20) + 4):
            client.send(b"x" * (1 << 20))
        client.send(b"\n")
        assert client.receive()["error"]["code"] == -32700
        client.assert_alive()


def test_a_message_may_arrive_in_pieces_and_several_at_once(plain_server):
    with Raw(plain_server) as client:
        data = json.dumps(LIST).encode() + b"\n"
        client.send(data[:10])
        client.send(data[10:] + data + data)
        assert [client.receive()["id"] for _ in range(3)] == ["list"] * 3


@pytest.mark.parametrize(
    "params",
    [
        {"name": "no_such_tool"},
        {"name": 5},
        {},
        {"name": "execute_code", "arguments": [1]},
        {"name": "execute_code", "arguments": "x"},
    ],
)
def test_a_call_that_makes_no_sense_is_answered(plain_server, params):
    with Raw(plain_server) as client:
        client.send({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": params})
        reply = client.receive()
        assert reply["id"] == 9
        assert "error" in reply or reply["result"]["isError"]
        client.assert_alive()


def test_a_client_that_vanishes_in_the_middle_of_a_message_does_not_disturb_others(plain_server):
    with Raw(plain_server) as steady:
        for _ in range(5):
            with Raw(plain_server) as hasty:
                hasty.send(b'{"jsonrpc": "2.0", "id"')
        steady.assert_alive()


def test_a_client_that_sends_only_garbage_loses_its_connection_and_disturbs_nobody(plain_server, caplog):
    with Raw(plain_server) as steady:
        with Raw(plain_server) as client:
            with contextlib.suppress(ConnectionError):
                client.send(b"x\n" * 10 * MAX_MALFORMED)
            assert len(client.file.readlines()) == MAX_MALFORMED
        steady.assert_alive()
    assert "socket.send() raised exception" not in caplog.text


def test_a_client_that_does_not_read_its_replies_is_not_read_from_and_does_not_hold_up_the_end(tmp_path):
    with NotebookServer(NotebookConfig(tmp_path)) as server, Raw(server) as client:
        client.socket.settimeout(1)
        client.socket.setblocking(False)
        sent, stalled = 0, time.monotonic()
        while time.monotonic() - stalled < 1 and sent < MAX_LINE_BYTES:
            with contextlib.suppress(BlockingIOError):
                sent += client.socket.send(json.dumps(LIST).encode() + b"\n")
                stalled = time.monotonic()
        assert sent < 1 << 20
        begin = time.monotonic()
        server.close()
        assert time.monotonic() - begin < 5
