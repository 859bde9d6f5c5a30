"""The harness's end of one kernel socket: ZMTP 3.0 over a unix socket, read by the event loop itself.

The other end may send anything. libzmq can't cope with that: it limits frames but not messages, counts messages but not
bytes, and aborts the whole process when a peer disappears in the middle of a message. Here messages and their parts are
limited, anything beyond is read and dropped, and nothing is read before it is requested.

The protocol is https://rfc.zeromq.org/spec/23/, as far as a client with the mechanism NULL needs it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

#: Limits of one message: bytes and parts. A Jupyter message has seven parts, plus buffers.
MAX_MESSAGE_BYTES = 32 << 20
MAX_PARTS = 64
#: How many frames of one message are read, including dropped ones, in total and without a pause.
MAX_FRAMES, FRAMES_A_TURN = 10_000, 128
#: Most bytes buffered in this process for each socket.
READ_AHEAD = 256 << 10

_MORE, _LONG, _COMMAND = 1, 2, 4
_MECHANISM = b"NULL".ljust(20, b"\0")
_GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + _MECHANISM + bytes(32)
_VERSION, _MECHANISM_AT = 10, slice(12, 32)

SocketType = Literal["DEALER", "SUB"]


class ChannelError(Exception):
    """The other end does not speak the protocol, or has closed the connection; the message is a clause."""


@dataclass(frozen=True)
class TooLarge:
    """A message that was dropped.

    Attributes:
        size: Its size in bytes.
    """

    size: int


class Channel:
    """A connected socket; made by `connect`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kind: SocketType) -> None:
        self._reader = reader
        self._writer = writer
        self._kind = kind

    @classmethod
    async def connect(cls, path: Path, kind: SocketType) -> Channel:
        """Connect to a listening socket, which need not accept connections yet.

        Args:
            path: The socket's path, in a folder that only the harness can write.
            kind: ``DEALER`` for requests and replies, ``SUB`` for everything that is published.

        Raises:
            OSError: When it can't be connected to.
        """
        return cls(*await asyncio.open_unix_connection(path, limit=READ_AHEAD // 2), kind)

    async def shake_hands(self) -> None:
        """Agree on the protocol; waits for as long as the other end takes to come up.

        Raises:
            ChannelError: When it speaks another protocol.
        """
        self._writer.write(_GREETING)
        greeting = await self._read(len(_GREETING))
        if greeting[0] != 0xFF or greeting[9] != 0x7F or greeting[_VERSION] < 3:
            raise ChannelError("it does not speak ZMTP 3")
        if greeting[_MECHANISM_AT] != _MECHANISM:
            raise ChannelError("it wants another security mechanism")
        self._writer.write(_frame(_ready(self._kind), _COMMAND))
        flags, size = await self._head()
        if not flags & _COMMAND or size > 1 << 10 or not (await self._read(size)).startswith(b"\x05READY"):
            raise ChannelError("it was not ready to talk")
        if self._kind == "SUB":
            self._writer.write(_frame(b"\x01", 0))  # to everything

    def send(self, parts: Sequence[bytes]) -> None:
        """Send a message; it waits in memory until the other end takes it."""
        for part in parts[:-1]:
            self._writer.write(_frame(part, _MORE))
        self._writer.write(_frame(parts[-1], 0))

    async def receive(self) -> list[bytes] | TooLarge:
        """The next message.

        Raises:
            ChannelError: When the connection has ended, or the data is not a message.
        """
        parts: list[bytes] = []
        total = count = 0
        for frames in itertools.count(1):
            if frames % FRAMES_A_TURN == 0:
                await asyncio.sleep(0)  # what is in memory already is read without a pause
            if frames > MAX_FRAMES:
                raise ChannelError("it sent a message without an end")
            flags, size = await self._head()
            if flags & _COMMAND:  # of this version of the protocol there is none that asks for an answer
                await self._skip(size)
                continue
            total += size
            count += 1
            if total > MAX_MESSAGE_BYTES or count > MAX_PARTS:
                parts.clear()
                await self._skip(size)
            else:
                parts.append(await self._read(size))
            if not flags & _MORE:
                return parts if len(parts) == count else TooLarge(total)
        raise AssertionError("there is always another frame")

    def pause(self) -> None:
        """Stop reading from the connection."""
        transport = self._writer.transport
        if isinstance(transport, asyncio.ReadTransport):
            with contextlib.suppress(RuntimeError):  # it is closing
                transport.pause_reading()

    def close(self) -> None:
        """End the connection at once. May be called twice."""
        self._writer.transport.abort()

    async def _head(self) -> tuple[int, int]:
        """Flags and size of a frame."""
        flags, size = await self._read(2)
        if flags & _LONG:
            size = int.from_bytes(bytes([size]) + await self._read(7), "big")
        if flags > (_MORE | _LONG | _COMMAND):
            raise ChannelError("it sent a frame with flags that there are not")
        return flags, size

    async def _read(self, size: int) -> bytes:
        try:
            return await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise ChannelError("the connection has ended") from error

    async def _skip(self, size: int) -> None:
        while size:
            size -= len(await self._read(min(size, READ_AHEAD // 2)))


def _frame(body: bytes, flags: int) -> bytes:
    if len(body) > 255:
        return bytes([flags | _LONG]) + len(body).to_bytes(8, "big") + body
    return bytes([flags, len(body)]) + body


def _ready(kind: SocketType) -> bytes:
    properties = {b"Socket-Type": kind.encode(), b"Identity": b""}
    named = [bytes([len(name)]) + name + len(value).to_bytes(4, "big") + value for name, value in properties.items()]
    return b"\x05READY" + b"".join(named)
