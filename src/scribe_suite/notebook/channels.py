"""The two channels between the harness and a kernel, in Jupyter's messages: requests and replies, and outputs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jupyter_client.session import Session

from scribe_suite.notebook.zmtp import Channel, SocketType, TooLarge

ChannelName = Literal["shell", "iopub"]
_TYPES: dict[ChannelName, SocketType] = {"shell": "DEALER", "iopub": "SUB"}
#: Length of an HMAC-SHA-256 signature in hexadecimal.
SIGNATURE_CHARACTERS = 64
#: Seconds of processing one message after which others get their turn first.
LONG_LOOK_S = 0.02
#: Most seconds that a channel pauses after a slow message.
LONGEST_REST_S = 1.0


class MalformedError(Exception):
    """An invalid message: unsigned, repeated, or undecodable."""


@dataclass(frozen=True)
class Message:
    """The relevant parts of a message; any field of `content` may be missing.

    Attributes:
        parent: Id of the request it belongs to, or None.
        kind: Its type.
        content: Its content.
    """

    parent: str | None
    kind: str
    content: dict[str, Any]


class KernelChannels:
    """A kernel's channels; made by `connect`."""

    def __init__(self, channels: Mapping[ChannelName, Channel], key: str) -> None:
        self._channels = channels
        self._session = Session(key=key.encode(), signature_scheme="hmac-sha256")
        self._rest = 0.0

    @classmethod
    async def connect(cls, paths: Mapping[ChannelName, Path], key: str) -> KernelChannels:
        """Connect to the sockets of a kernel that need not exist yet.

        Args:
            paths: The paths of its listening sockets.
            key: The key that signs messages.

        Raises:
            OSError: When one can't be connected to.
        """
        channels: dict[ChannelName, Channel] = {}
        try:
            for name, kind in _TYPES.items():
                channels[name] = await Channel.connect(paths[name], kind)
        except BaseException:
            for channel in channels.values():
                channel.close()
            raise
        return cls(channels, key)

    async def ready(self) -> None:
        """Wait until the kernel answers on both.

        Raises:
            ChannelError: When it ends, or speaks another protocol.
        """
        for channel in self._channels.values():
            await channel.shake_hands()

    def request(self, kind: str, content: Mapping[str, Any]) -> str:
        """Send a request.

        Returns:
            Its id, which replies and outputs name.
        """
        message = self._session.msg(kind, dict(content))
        self._channels["shell"].send([bytes(part) for part in self._session.serialize(message)])
        return str(message["header"]["msg_id"])

    async def receive(self, name: ChannelName) -> Message | TooLarge:
        """The next message of a channel. After a slow message, the next one waits for as long.

        Raises:
            ChannelError: When the channel has ended.
            MalformedError: When it is not a valid message.
        """
        if self._rest > LONG_LOOK_S:
            await asyncio.sleep(min(self._rest, LONGEST_REST_S))
        parts = await self._channels[name].receive()
        await asyncio.sleep(0)  # what is in memory already is read without a pause
        if isinstance(parts, TooLarge):
            return parts
        begin = time.monotonic()
        try:
            return self._understood(parts)
        except MalformedError:
            raise
        except Exception as error:  # its type depends on what was sent
            raise MalformedError(type(error).__name__) from None
        finally:
            self._rest = time.monotonic() - begin

    def _understood(self, parts: list[bytes]) -> Message:
        _identities, signed = self._session.feed_identities(parts)
        if not signed or len(signed[0]) != SIGNATURE_CHARACTERS:
            raise MalformedError("it is not signed")  # jupyter_client keeps signatures, of whatever size
        message = self._session.deserialize(signed)
        parent, header, content = (message.get(name) for name in ("parent_header", "header", "content"))
        parent_id = parent.get("msg_id") if isinstance(parent, dict) else None
        return Message(
            parent_id if isinstance(parent_id, str) else None,
            str(header.get("msg_type") if isinstance(header, dict) else None),
            content if isinstance(content, dict) else {},
        )

    def pause(self) -> None:
        """Stop reading; received messages are still processed."""
        for channel in self._channels.values():
            channel.pause()

    def close(self) -> None:
        """End both. May be called twice."""
        for channel in self._channels.values():
            with contextlib.suppress(RuntimeError):  # the loop is closed, and with it the sockets
                channel.close()
