"""A request and a reply in one shape for all APIs."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: A line of a reply, as it is or in JSON strings.
_SESSION_ID = re.compile(r"session_id:\s*(?P<id>[^\"\\\s,]+)")


@dataclass(frozen=True)
class ToolResult:
    """A tool result of the conversation: the tool's name as the client spelled it, and all text of the result."""

    tool: str
    text: str


@dataclass(frozen=True)
class Offer:
    """A tool that the model may call.

    Attributes:
        name: Its name; within `namespace` where there is one.
        namespace: OpenAI's namespace of tools, or None.
    """

    name: str
    namespace: str | None = None

    @property
    def full_name(self) -> str:
        """Namespace and name."""
        return self.name if self.namespace is None else f"{self.namespace}__{self.name}"


@dataclass(frozen=True)
class Conversation:
    """The content of a request.

    Attributes:
        model: The requested model.
        stream: Whether the reply is wanted as a stream.
        offers: Tools the model may call.
        results: Tool results so far, in order.
    """

    model: str
    stream: bool
    offers: tuple[Offer, ...]
    results: tuple[ToolResult, ...]

    @property
    def session_id(self) -> str:
        """Id of the session that was started last; ``no-session`` without one, which the notebook refuses."""
        found = "no-session"
        for result in self.results:
            match = _SESSION_ID.search(result.text) if "start_" in result.tool else None
            found = match["id"] if match else found
        return found

    @property
    def last_result(self) -> str:
        """Text of the last tool result, or an empty string."""
        return self.results[-1].text if self.results else ""

    def offer(self, bare: str) -> Offer | None:
        """The offered tool whose name is `bare`, alone or behind a server's name."""
        for offer in self.offers:
            if offer.full_name == bare or offer.full_name.endswith((f"__{bare}", f"_{bare}")):
                return offer
        return None


@dataclass(frozen=True)
class ToolCall:
    """A tool call of a reply.

    Attributes:
        tool: Bare name of the tool.
        arguments: Its arguments.
        offer: The tool under which the client offers it, or None where it does not.
        raw: Whether it is called by exactly that name, offered or not.
    """

    tool: str
    arguments: Mapping[str, Any]
    offer: Offer | None = None
    raw: bool = False


@dataclass(frozen=True)
class Reply:
    """The model's reply: text, then calls.

    Attributes:
        text: May be empty.
        calls: May be empty.
        mismatch: Why the script could not go on, or None.
    """

    text: str = ""
    calls: tuple[ToolCall, ...] = field(default=())
    mismatch: str | None = None


def new_id(prefix: str) -> str:
    """An id like those of the APIs."""
    return f"{prefix}_{uuid.uuid4().hex[:20]}"


def text_of(content: Any) -> str:
    """All text of a tool result in any form; blocks that are not text become JSON."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return _joined(text_of(item) for item in content)
    if isinstance(content, dict):
        if "text" in content:
            return text_of(content["text"])
        if "content" in content:
            return text_of(content["content"])
        if "type" in content or "inlineData" in content:  # an image
            return ""
    return json.dumps(content)


def _joined(texts: Iterable[str]) -> str:
    return "\n".join(text for text in texts if text)
