"""OpenAI Chat Completions, which most servers of open models speak."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from .conversation import Conversation, Offer, Reply, ToolResult, new_id, text_of
from .openai_wire import OpenAIWire
from .usage import openai_chat_usage
from .wire import Json, Wire

#: The event that ends a stream, which is no JSON on the wire.
_DONE: Json = {"done": True}


class OpenAIChatWire(Wire):
    """``POST /v1/chat/completions``, streamed or not."""

    api = "openai-chat"
    names_events = False

    def read(self, body: Json, target: str) -> Conversation:
        """Tools and results of a request; a result finds its tool's name by the id of the call."""
        messages = body.get("messages", [])
        calls = [call for message in messages for call in message.get("tool_calls") or []]
        names = {call["id"]: call["function"]["name"] for call in calls}
        results = tuple(
            ToolResult(names.get(message.get("tool_call_id"), ""), text_of(message.get("content") or ""))
            for message in messages
            if message.get("role") == "tool"
        )
        offers = tuple(Offer(tool["function"]["name"]) for tool in body.get("tools") or [] if "function" in tool)
        return Conversation(str(body.get("model")), bool(body.get("stream")), offers, results)

    def render(self, reply: Reply, conversation: Conversation) -> Json:
        """A completion with one choice."""
        message: Json = {"role": "assistant", "content": reply.text or None, "refusal": None}
        if reply.calls:
            message["tool_calls"] = [
                {
                    "id": new_id("call"),
                    "type": "function",
                    "function": {
                        "name": call.offer.full_name if call.offer else call.tool,
                        "arguments": json.dumps(dict(call.arguments)),
                    },
                }
                for call in reply.calls
            ]
        return {
            "id": new_id("chatcmpl"),
            "object": "chat.completion",
            "created": int(time.time()),
            "model": conversation.model,
            "choices": [
                {"index": 0, "message": message, "finish_reason": "tool_calls" if reply.calls else "stop"},
            ],
            "usage": openai_chat_usage(len(conversation.results)),
        }

    def events(self, whole: Json) -> list[Json]:
        """A chunk with the message, one with the reason of its end, one with the tokens, and the end."""
        (choice,) = whole["choices"]
        message = {**choice["message"]}
        if "tool_calls" in message:
            message["tool_calls"] = [{"index": index, **call} for index, call in enumerate(message["tool_calls"])]
        end = {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
        return [
            _chunk(whole, [{"index": 0, "delta": message, "finish_reason": None}]),
            _chunk(whole, [end]),
            {**_chunk(whole, []), "usage": whole["usage"]},
            _DONE,
        ]

    def error(self, status: int, message: str, retry_after: float | None = None) -> Json:
        """An error, of the same form as in Responses."""
        return OpenAIWire().error(status, message, retry_after)

    def stream_error(self, message: str) -> Json:
        """An error where a chunk should be."""
        return self.error(500, message)

    def unknown_event(self) -> Json:
        """A chunk of a kind that no client can know."""
        return {"object": "chat.horoscope.chunk", "choices": [], "horoscope": {"sign": "aries"}}

    def encode(self, event: Mapping[str, Any]) -> bytes:
        """An event as server-sent bytes; the last one is a word."""
        return b"data: [DONE]\n\n" if event == _DONE else super().encode(event)


def _chunk(whole: Json, choices: list[Json]) -> Json:
    return {
        **{name: whole[name] for name in ("id", "created", "model")},
        "object": "chat.completion.chunk",
        "choices": choices,
    }
