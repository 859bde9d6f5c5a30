"""The harness's end of a kernel's sockets: it talks with libzmq, and whatever else is at the other end costs little."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import psutil
import pytest
import zmq
import zmq.asyncio

from scribe_suite.notebook import zmtp
from scribe_suite.notebook.channels import KernelChannels, MalformedError
from scribe_suite.notebook.zmtp import Channel, ChannelError, TooLarge

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x06\x05READY"
Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # an address of a unix socket has 107 characters
        yield Path(folder) / "s"


def meet(place: Path, peer: Peer, scenario: Callable[[Channel], Awaitable[object]], kind: zmtp.SocketType) -> object:
    """Let a channel meet a peer that does what it likes."""

    async def run() -> object:
        async with asyncio.timeout(20), await asyncio.start_unix_server(peer, place):
            channel = await Channel.connect(place, kind)
            try:
                return await scenario(channel)
            finally:
                channel.close()
                await asyncio.sleep(0.05)  # the other end sees it

    return asyncio.run(run())


def frame(body: bytes, flags: int = 0) -> bytes:
    return bytes([flags | 2]) + len(body).to_bytes(8, "big") + body


async def shaken(channel: Channel) -> list[bytes] | TooLarge:
    await channel.shake_hands()
    return await channel.receive()


def says(*what: bytes) -> Peer:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            for part in what:
                writer.write(part)
                await writer.drain()
            writer.write_eof()
            await reader.read()  # an end with something unread would be a reset, which loses what was said
        writer.close()

    return peer


@pytest.mark.parametrize(("kind", "theirs"), [("DEALER", zmq.ROUTER), ("SUB", zmq.XPUB)])
def test_it_talks_with_libzmq(place, kind, theirs):
    async def run() -> None:
        context = zmq.asyncio.Context()
        other = context.socket(theirs)
        channel = None
        try:
            other.bind(f"ipc://{place}")
            channel = await Channel.connect(place, kind)
            async with asyncio.timeout(20):
                await channel.shake_hands()
                if kind == "SUB":
                    assert await other.recv_multipart() == [b"\x01"]
                    address = b"topic"
                else:
                    channel.send([b"hello", b"x" * 1000])
                    address, *said = await other.recv_multipart()
                    assert said == [b"hello", b"x" * 1000]
                for size in (0, 1, 255, 256, 5_000_000):
                    await other.send_multipart([address, b"y" * size, b"end"])
                    expected = [b"y" * size, b"end"] if kind == "DEALER" else [address, b"y" * size, b"end"]
                    assert await channel.receive() == expected
        finally:
            if channel is not None:
                channel.close()
            other.close(linger=0)
            context.destroy(linger=0)

    asyncio.run(run())


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n" * 10,
        b"\xff" + bytes(8) + b"\x7f\x01\x00" + bytes(52),
        GREETING.replace(b"NULL\0", b"CURVE"),
        GREETING,
        GREETING + b"\x00\x05hello",
        GREETING + b"\x06" + (1 << 40).to_bytes(8, "big"),
        GREETING + b"\x04\x06\x05ERROR",
        GREETING + READY + b"\xff\x01x",
        GREETING + READY + frame(b"half", 1),
        GREETING + READY + b"\x00\x09half",
    ],
)
def test_whoever_does_not_speak_it_is_left(place, said):
    with pytest.raises(ChannelError):
        meet(place, says(said), shaken, "SUB")


@pytest.mark.parametrize(
    "message",
    [
        [frame(bytes(1 << 20), 1)] * 40 + [frame(b"end")],
        [frame(b"", 1)] * 5_000 + [frame(b"end")],
        [b"\x02" + (1 << 26).to_bytes(8, "big"), *[bytes(1 << 20)] * 64],
    ],
    ids=["many parts", "thousands of parts", "one part"],
)
def test_a_message_that_is_too_large_is_thrown_away_and_the_next_one_comes(place, message, monkeypatch):
    monkeypatch.setattr(zmtp, "MAX_MESSAGE_BYTES", 8 << 20)
    before = psutil.Process().memory_info().rss

    async def scenario(channel: Channel) -> tuple[object, object]:
        first = await shaken(channel)
        assert psutil.Process().memory_info().rss - before < 64 << 20
        return first, await channel.receive()

    first, second = meet(place, says(GREETING + READY, *message, frame(b"next")), scenario, "SUB")
    assert isinstance(first, TooLarge)
    assert second == [b"next"]


@pytest.mark.parametrize("part", [frame(b"", 1), b"\x04\x00"], ids=["parts", "commands"])
def test_a_message_without_an_end_is_the_end_and_others_have_their_turn(place, part):
    async def scenario(channel: Channel) -> int:
        await channel.shake_hands()
        turns, reading = 0, asyncio.ensure_future(channel.receive())
        while not reading.done():
            await asyncio.sleep(0)
            turns += 1
        with pytest.raises(ChannelError, match="without an end"):
            await reading
        return turns

    turns = meet(place, says(GREETING + READY, *[part * 1000] * 20), scenario, "SUB")
    assert turns >= zmtp.MAX_FRAMES // zmtp.FRAMES_A_TURN


def test_nothing_is_read_ahead_of_who_asks(place):
    """A peer that floods has to wait, instead of filling this process."""
    sent = 0

    async def flood(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(GREETING + READY)
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(frame(bytes(1 << 16)))
                await writer.drain()
                sent += 1 << 16

    async def scenario(channel: Channel) -> None:
        await channel.shake_hands()
        await asyncio.sleep(0.5)
        assert sent < 4 << 20
        channel.close()

    meet(place, flood, scenario, "SUB")


def test_who_comes_up_late_is_waited_for(place):
    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        await says(GREETING, READY, frame(b"hello"))(reader, writer)

    assert meet(place, late, shaken, "DEALER") == [b"hello"]


def test_unsigned_repeated_and_garbled_messages_are_malformed_and_honest_ones_are_read(place):
    from jupyter_client.session import Session

    session = Session(key=b"key", signature_scheme="hmac-sha256")
    good = session.serialize(session.msg("status", {"execution_state": "idle"}, parent={"msg_id": "7"}))
    forged = [*good[:1], b"0" * 64, *good[2:]]
    messages = [[b"topic", *forged], [b"x"], [b"topic", *good], [b"topic", *good]]
    wire = b"".join(
        b"".join(frame(bytes(part), 1) for part in parts[:-1]) + frame(bytes(parts[-1])) for parts in messages
    )

    async def run() -> list[object]:
        seen: list[object] = []
        async with await asyncio.start_unix_server(says(GREETING, READY, wire), place):
            channels = await KernelChannels.connect({"shell": place, "iopub": place}, "key")
            await channels.ready()
            for _ in messages:
                try:
                    seen.append(await channels.receive("iopub"))
                except MalformedError as error:
                    seen.append(error)
            channels.close()
        return seen

    first, second, third, fourth = asyncio.run(run())
    assert [type(one) for one in (first, second, fourth)] == [MalformedError] * 3
    assert (third.parent, third.kind, third.content) == ("7", "status", {"execution_state": "idle"})


def test_closing_leaves_no_descriptor(place):
    async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def nothing(_channel: Channel) -> None:
        await asyncio.sleep(0)

    before = psutil.Process().num_fds()
    for number in range(5):
        meet(place.with_name(str(number)), stay, nothing, "SUB")
    assert psutil.Process().num_fds() <= before  # fewer, where what other tests left was collected meanwhile
