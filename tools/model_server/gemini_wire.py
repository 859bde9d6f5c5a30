"""Gemini ``generateContent``, ``streamGenerateContent`` and ``countTokens``."""

from __future__ import annotations

from .conversation import Conversation, Offer, Reply, ToolResult, new_id, text_of
from .usage import CACHED_INPUT, FRESH_INPUT, gemini_usage
from .wire import Json, Wire, reason

_REASONS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    529: "UNAVAILABLE",
}
_SIGNATURE = "c2lnbmVk"


class GeminiWire(Wire):
    """``POST /{version}/models/{model}:{method}``; the method says whether the reply is a stream."""

    api = "gemini"
    names_events = False

    def read(self, body: Json, target: str) -> Conversation:
        """Tools and results of a request."""
        model, _, method = target.rpartition(":")
        parts = [part for content in body.get("contents", []) for part in content.get("parts", [])]
        results = tuple(
            ToolResult(answer.get("name", ""), _result_text(answer))
            for answer in (part["functionResponse"] for part in parts if "functionResponse" in part)
        )
        offers = tuple(
            Offer(declared["name"])
            for tool in body.get("tools", [])
            for declared in tool.get("functionDeclarations", [])
        )
        return Conversation(model, method == "streamGenerateContent", offers, results)

    def render(self, reply: Reply, conversation: Conversation) -> Json:
        """A response with one candidate; it begins with a thought."""
        parts: list[Json] = [{"text": "I think about the next step.", "thought": True}]
        if reply.text:
            parts.append({"text": reply.text})
        for call in reply.calls:
            name = call.offer.full_name if call.offer else call.tool
            asked = {"name": name, "args": dict(call.arguments)}
            parts.append({"functionCall": asked, "thoughtSignature": _SIGNATURE})
        return {
            "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": gemini_usage(len(conversation.results)),
            "modelVersion": conversation.model,
            "responseId": new_id("r"),
        }

    def events(self, whole: Json) -> list[Json]:
        """A chunk for each part; the last one has the reason of the end and the tokens."""
        shared = {key: whole[key] for key in ("modelVersion", "responseId")}
        parts = whole["candidates"][0]["content"]["parts"]
        chunks: list[Json] = [_chunk(part, shared) for part in parts]
        chunks[-1]["candidates"][0]["finishReason"] = whole["candidates"][0]["finishReason"]
        chunks[-1]["usageMetadata"] = whole["usageMetadata"]
        return chunks

    def error(self, status: int, message: str, retry_after: float | None = None) -> Json:
        """An error; its details also say when to retry."""
        error: Json = {"code": status, "message": message, "status": reason(_REASONS, status)}
        if retry_after is not None:
            kind = "type.googleapis.com/google.rpc.RetryInfo"
            error["details"] = [{"@type": kind, "retryDelay": f"{retry_after:g}s"}]
        return {"error": error}

    def stream_error(self, message: str) -> Json:
        """An error where a chunk should be."""
        return self.error(500, message)

    def unknown_event(self) -> Json:
        """A chunk with a part that is unknown to every client."""
        return _chunk({"horoscope": {"sign": "aries"}}, {})

    def count(self, body: Json) -> Json:
        """A constant."""
        return {"totalTokens": FRESH_INPUT + CACHED_INPUT}


def _result_text(answer: Json) -> str:
    response = answer.get("response", {})
    return "\n".join(text_of(value) for value in response.values()) if isinstance(response, dict) else text_of(response)


def _chunk(part: Json, shared: Json) -> Json:
    return {"candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0}], **shared}
