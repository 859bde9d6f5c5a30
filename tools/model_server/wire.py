"""The common interface of the APIs: reading requests, rendering replies whole or as events, and errors."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from .conversation import Conversation, Reply
from .usage import Api

Json = dict[str, Any]


class Wire(ABC):
    """One API on the wire.

    Class attributes:
        api: Its name.
        names_events: Whether an ``event:`` line precedes the data of an event.
    """

    api: ClassVar[Api]
    names_events: ClassVar[bool]

    @abstractmethod
    def read(self, body: Json, target: str) -> Conversation:
        """The conversation in a request; `target` is the end of the path, which names Gemini's model and method."""

    @abstractmethod
    def render(self, reply: Reply, conversation: Conversation) -> Json:
        """The reply as the whole answer to a request that wants no stream."""

    @abstractmethod
    def events(self, whole: Json) -> list[Json]:
        """The events of a stream with the same content as `whole`."""

    @abstractmethod
    def error(self, status: int, message: str, retry_after: float | None = None) -> Json:
        """The body of an HTTP error."""

    @abstractmethod
    def stream_error(self, message: str) -> Json:
        """An error as an event, after the stream has begun."""

    @abstractmethod
    def unknown_event(self) -> Json:
        """An event that is unknown to every client."""

    def count(self, body: Json) -> Json:
        """The answer to a request that only counts tokens."""
        raise NotImplementedError(f"{self.api} has no such request")

    def encode(self, event: Mapping[str, Any]) -> bytes:
        """An event as server-sent bytes."""
        head = f"event: {event['type']}\n" if self.names_events else ""
        return f"{head}data: {json.dumps(event)}\n\n".encode()


def reason(table: Mapping[int, str], status: int) -> str:
    """The API's word for `status`; a word of the family where it has none."""
    return table.get(status) or table[500 if status >= 500 else 400]
