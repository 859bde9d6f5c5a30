"""One connection of a kernel, which may send anything and read nothing."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from scribe_suite.laboratory import frames, serving
from scribe_suite.laboratory.frames import SIZES, Frame
from scribe_suite.laboratory.serving import Answer, serve


class Served:
    """A connection that is served, seen from the kernel's side."""

    def __init__(self, answer: Any) -> None:
        self.channel, theirs = socket.socketpair()
        self.channel.settimeout(10)
        self.thread = threading.Thread(target=self._serve, args=(theirs, answer), daemon=True)
        self.thread.start()

    def _serve(self, channel: socket.socket, answer: Any) -> None:
        with channel:
            serve(channel, answer)

    def send(self, data: bytes) -> None:
        self.channel.sendall(data)

    def receive(self) -> dict[str, Any] | None:
        frame = frames.receive(self.channel, most=1 << 20)
        return None if frame is None else frame.header

    def ask(self, header: dict[str, Any]) -> dict[str, Any] | None:
        frames.send(self.channel, header)
        return self.receive()

    def ended(self) -> bool:
        self.thread.join(5)
        return not self.thread.is_alive()


def echo(frame: Frame) -> Answer:
    return Answer({"said": frame.header.get("say")}, frame.tensors)


@pytest.fixture
def served() -> Iterator[Served]:
    one = Served(echo)
    yield one
    one.channel.close()
    assert one.ended()


def frame_of(text: bytes, tensors: bytes = b"") -> bytes:
    return SIZES.pack(len(text), len(tensors)) + text + tensors


def test_requests_are_answered_in_turn_and_by_number(served):
    assert served.ask({"say": 1, "id": 7}) == {"said": 1, "id": 7}
    assert served.ask({"say": 2, "id": 3}) == {"said": 2, "id": 3}
    frames.send(served.channel, {"say": 3, "id": 4})
    frames.send(served.channel, {"say": 4, "id": 5})
    assert [served.receive(), served.receive()] == [{"said": 3, "id": 4}, {"said": 4, "id": 5}]


@pytest.mark.parametrize("number", [None, "7", 1.5, [1], {"a": 1}, 1 << 60, -(1 << 60)])
def test_a_number_that_is_none_is_not_repeated(served, number):
    assert served.ask({"say": 1, "id": number}) == {"said": 1, "id": None}


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n", "of the frame ha"),
        (SIZES.pack((1 << 20) + 1, 0), "1,048,577 bytes; at most 1,048,576"),
        (SIZES.pack(0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF), "4,294,967,295 bytes"),
        (SIZES.pack(2, (64 << 20) + 1) + b"{}", "67,108,865 bytes; at most 67,108,864"),
        (frame_of(b"[1]"), "not a JSON object"),
        (frame_of(b"\xff\xfe"), "not a JSON object"),
        (frame_of(b'{"a": NaN}'), "not a JSON object"),
        (frame_of(b"[" * 100_000), "not a JSON object"),
        (frame_of(b'{"a":' * 100_000), "not a JSON object"),
        (frame_of(b""), "not a JSON object"),
    ],
)
def test_what_is_no_frame_ends_the_connection_after_one_sentence(served, sent, said):
    served.send(sent)
    answer = served.receive()
    assert answer is not None
    assert answer["id"] is None
    assert said in answer["error"]
    assert answer["error"].endswith("The connection to the laboratory has been closed.")
    with contextlib.suppress(frames.ClosedError):
        assert served.receive() is None
    assert served.ended()


def test_half_a_frame_and_then_silence_ends_the_connection_in_time(monkeypatch):
    monkeypatch.setattr(serving, "FRAME_S", 0.2)
    for begun in (b"\x10", SIZES.pack(10, 0) + b"{", SIZES.pack(2, 100) + b"{}" + b"x" * 50):
        served = Served(echo)
        served.send(begun)
        answer = served.receive()
        assert answer is not None
        assert "was not finished within 0.2 seconds" in answer["error"]
        assert served.ended()


def test_silence_between_frames_is_no_fault(monkeypatch):
    monkeypatch.setattr(serving, "FRAME_S", 0.1)
    served = Served(echo)
    time.sleep(0.4)
    assert served.ask({"say": 1, "id": 1}) == {"said": 1, "id": 1}


@pytest.mark.parametrize("begun", [b"", b"\x10", SIZES.pack(10, 0), SIZES.pack(2, 100) + b"{}x"])
def test_an_end_at_any_moment_is_just_the_end(begun):
    served = Served(echo)
    served.send(begun)
    served.channel.close()
    assert served.ended()


def test_who_never_reads_is_given_up(monkeypatch):
    monkeypatch.setattr(serving, "FRAME_S", 0.3)
    served = Served(lambda _frame: Answer({}, b"x" * (8 << 20)))
    frames.send(served.channel, {"id": 1})
    assert served.ended()


def test_who_ends_while_it_is_answered_is_no_fault():
    served = Served(lambda _frame: Answer({}, b"x" * (8 << 20)))
    frames.send(served.channel, {"id": 1})
    served.channel.recv(10)
    served.channel.close()
    assert served.ended()


def test_an_answer_too_large_to_be_sent_is_one_sentence_and_the_connection_goes_on(monkeypatch):
    served = Served(lambda frame: Answer({"texts": ["x" * (2 << 20)] if frame.header["id"] == 1 else []}))
    answer = served.ask({"id": 1})
    assert answer == {"error": "The answer is too large to be sent; ask for less at a time.", "id": 1}
    assert served.ask({"id": 2}) == {"texts": [], "id": 2}


def test_a_flood_waits_and_takes_at_most_half_of_a_processor():
    spent = []

    def expensive(frame: Frame) -> Answer:
        begin = time.thread_time()
        while time.thread_time() - begin < 0.02:
            pass
        spent.append(0.02)
        return Answer({})

    served = Served(expensive)
    data = json.dumps({"id": 1}).encode()
    begin = time.monotonic()
    for _ in range(25):
        served.send(frame_of(data))
    for _ in range(25):
        served.receive()
    assert time.monotonic() - begin > 1.8 * sum(spent[:-1])


def test_thousands_of_small_requests_are_all_answered():
    served = Served(echo)
    flood = threading.Thread(
        target=lambda: [served.send(frame_of(b'{"say":1,"id":%d}' % number)) for number in range(1000)]
    )
    flood.start()
    assert [served.receive() for _ in range(1000)] == [{"said": 1, "id": number} for number in range(1000)]
    flood.join()
