"""Frames: what is sent arrives, and what is none or too large is refused before memory is taken for it."""

from __future__ import annotations

import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from scribe_suite.laboratory import frames
from scribe_suite.laboratory.frames import SIZES, ClosedError, Frame, FrameError, receive, send

MOST = 1 << 20


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_what_is_sent_arrives_in_order(pair):
    sent = [Frame({"op": "run", "text": "ä", "n": [1, 2.5, None]}, b"abc"), Frame({}, b""), Frame({"x": {}}, b"\0" * 9)]
    for frame in sent:
        send(pair[0], frame.header, frame.tensors)
    assert [receive(pair[1], most=MOST) for _ in sent] == sent
    pair[0].close()
    assert receive(pair[1], most=MOST) is None


def test_a_large_frame_comes_in_parts(pair):
    data = bytes(range(256)) * 40_000
    thread = threading.Thread(target=send, args=(pair[0], {"n": 1}, data))
    thread.start()
    received = receive(pair[1], most=len(data))
    thread.join()
    assert received == Frame({"n": 1}, data)


@pytest.mark.parametrize(
    "header", [b"[1]", b"{", b'"text"', b"\xff\xfe", b'{"x": NaN}', b'{"x": -Infinity}', b"[" * 100_000, b"",
               b'{"x": ' + b"9" * 10_000 + b"}"]
)  # fmt: skip
def test_a_header_that_is_no_object_is_refused(pair, header):
    pair[0].sendall(SIZES.pack(len(header), 0) + header)
    with pytest.raises(FrameError, match="not a JSON object"):
        receive(pair[1], most=MOST)


@pytest.mark.parametrize("sizes", [(frames.MAX_HEADER + 1, 0), (2**32 - 1, 0), (2, MOST + 1), (2, 2**64 - 1)])
def test_a_frame_that_would_be_too_large_is_refused_at_once(pair, sizes):
    pair[0].sendall(SIZES.pack(*sizes))
    with pytest.raises(FrameError, match="at most"):
        receive(pair[1], most=MOST)


def test_memory_is_taken_for_what_comes_and_not_for_what_is_announced(pair):
    pair[0].sendall(SIZES.pack(2, 1 << 40) + b"{}" + b"x" * 100)
    pair[0].close()
    tracemalloc.start()
    try:
        with pytest.raises(ClosedError):
            receive(pair[1], most=1 << 41)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("part", [b"\0", SIZES.pack(2, 0), SIZES.pack(2, 4) + b"{}ab"])
def test_an_end_in_the_middle_is_told_from_one_between_frames(pair, part):
    pair[0].sendall(part)
    pair[0].close()
    with pytest.raises(ClosedError, match="in the middle"):
        receive(pair[1], most=MOST)


def test_nothing_is_sent_of_a_frame_that_is_too_large(pair):
    with pytest.raises(FrameError, match="tensors"):
        send(pair[0], {}, b"x" * 11, most=10)
    with pytest.raises(FrameError, match="header"):
        send(pair[0], {"x": "y" * frames.MAX_HEADER})
    with pytest.raises(ValueError, match="JSON"):
        send(pair[0], {"x": float("nan")})
    send(pair[0], {"x": 1})
    assert receive(pair[1], most=MOST) == Frame({"x": 1})


def test_a_deadline_ends_waiting(pair):
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        receive(pair[1], most=MOST, deadline=started + 0.1)
    pair[0].sendall(SIZES.pack(100, 0) + b"{")
    with pytest.raises(TimeoutError):
        receive(pair[1], most=MOST, deadline=time.monotonic() + 0.1)
    with pytest.raises(TimeoutError):
        send(pair[1], {}, b"x" * (8 << 20), deadline=time.monotonic() + 0.1)
    assert time.monotonic() - started < 5


def test_sending_to_nobody_is_told(pair):
    pair[1].close()
    with pytest.raises(ClosedError):
        send(pair[0], {}, b"x" * 10_000_000)


def test_the_sizes_are_twelve_bytes_that_any_machine_reads():
    assert SIZES.pack(1, 2) == b"\x01\0\0\0\x02\0\0\0\0\0\0\0"
