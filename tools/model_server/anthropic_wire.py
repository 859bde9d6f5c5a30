"""Anthropic Messages."""

from __future__ import annotations

import json
from typing import Any

from .conversation import Conversation, Offer, Reply, ToolResult, new_id, text_of
from .usage import CACHED_INPUT, FRESH_INPUT, anthropic_usage
from .wire import Json, Wire, reason

_REASONS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


class AnthropicWire(Wire):
    """``POST /v1/messages``, streamed or not, and ``/v1/messages/count_tokens``."""

    api = "anthropic"
    names_events = True

    def read(self, body: Json, target: str) -> Conversation:
        """Tools and results of a request; a result finds its tool's name by the id of the call."""
        names: dict[str, str] = {}
        results = []
        for message in body.get("messages", []):
            content = message.get("content")
            for block in content if isinstance(content, list) else []:
                if block.get("type") == "tool_use":
                    names[block["id"]] = block["name"]
                elif block.get("type") == "tool_result":
                    tool = names.get(block.get("tool_use_id", ""), "")
                    results.append(ToolResult(tool, text_of(block.get("content", ""))))
        offers = tuple(Offer(tool["name"]) for tool in body.get("tools", []) if "name" in tool)
        return Conversation(str(body.get("model")), bool(body.get("stream")), offers, tuple(results))

    def render(self, reply: Reply, conversation: Conversation) -> Json:
        """A message."""
        content: list[Json] = [{"type": "text", "text": reply.text}] if reply.text else []
        for call in reply.calls:
            name = call.offer.full_name if call.offer else call.tool
            content.append({"type": "tool_use", "id": new_id("toolu"), "name": name, "input": dict(call.arguments)})
        return {
            "id": new_id("msg"),
            "type": "message",
            "role": "assistant",
            "model": conversation.model,
            "content": content,
            "stop_reason": "tool_use" if reply.calls else "end_turn",
            "stop_sequence": None,
            "usage": anthropic_usage(len(conversation.results)),
        }

    def events(self, whole: Json) -> list[Json]:
        """A start, each block by its start, delta and stop, and an end; the end has the final count of tokens."""
        begun = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
        events: list[Json] = [{"type": "message_start", "message": begun}]
        for index, block in enumerate(whole["content"]):
            empty, delta = _opened(block)
            events += [
                {"type": "content_block_start", "index": index, "content_block": empty},
                {"type": "content_block_delta", "index": index, "delta": delta},
                {"type": "content_block_stop", "index": index},
            ]
        end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
        return [
            *events,
            {"type": "message_delta", "delta": end, "usage": whole["usage"]},
            {"type": "message_stop"},
        ]

    def error(self, status: int, message: str, retry_after: float | None = None) -> Json:
        """An error; only a header says when to retry."""
        return {"type": "error", "error": {"type": reason(_REASONS, status), "message": message}}

    def stream_error(self, message: str) -> Json:
        """The error that an overloaded service sends within a stream."""
        return self.error(529, message)

    def unknown_event(self) -> Json:
        """An event that is unknown to every client."""
        return {"type": "horoscope", "index": 0, "horoscope": {"sign": "aries"}}

    def count(self, body: Json) -> Json:
        """A constant."""
        return {"input_tokens": FRESH_INPUT + CACHED_INPUT}


def _opened(block: dict[str, Any]) -> tuple[Json, Json]:
    """A block as its start shows it, and the delta that fills it."""
    if block["type"] == "text":
        return {"type": "text", "text": ""}, {"type": "text_delta", "text": block["text"]}
    return {**block, "input": {}}, {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
