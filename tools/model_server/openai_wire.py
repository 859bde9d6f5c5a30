"""OpenAI Responses, with the two ways in which Codex may hide the tools of MCP servers."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from .conversation import Conversation, Offer, Reply, ToolCall, ToolResult, new_id, text_of
from .usage import openai_usage
from .wire import Json, Wire, reason

_REASONS = {
    400: "invalid_request_error",
    401: "invalid_api_key",
    403: "permission_denied",
    404: "not_found",
    429: "rate_limit_exceeded",
    500: "server_error",
    529: "server_is_overloaded",
}
_OUTPUTS = ("function_call_output", "custom_tool_call_output")
_CALLS = {"function_call": "name", "custom_tool_call": "input"}
#: Items of the input that add tools.
_TOOL_ITEMS = ("additional_tools", "tool_search_output")
_CALL_BY_CODE = """\
const found = ALL_TOOLS.find(({ name }) => name === %s || name.endsWith(%s));
const result = await tools[found.name](%s);
text(JSON.stringify(result.content ?? result));
"""


class OpenAIWire(Wire):
    """``POST /v1/responses``, streamed or not.

    Tools may be offered as functions, as a namespace of functions (the notebook's server), or hidden: behind
    ``tool_search``, which must be called to get them, or behind ``exec``, which runs JavaScript that calls them.
    """

    api = "openai"
    names_events = True

    def read(self, body: Json, target: str) -> Conversation:
        """Tools and results of a request; tools that an earlier search found count as offered."""
        items = _items(body)
        lists = [body.get("tools"), *(i.get("tools") for i in items if i.get("type") in _TOOL_ITEMS)]
        offers = {offer.full_name: offer for tools in lists for offer in _offers(tools or [])}
        names = {
            item.get("call_id"): f"{item.get('name', '')} {item.get(_CALLS[item['type']], '')}"
            for item in items
            if item.get("type") in _CALLS
        }
        results = tuple(
            ToolResult(names.get(item.get("call_id"), ""), text_of(item.get("output", "")))
            for item in items
            if item.get("type") in _OUTPUTS
        )
        return Conversation(str(body.get("model")), bool(body.get("stream")), tuple(offers.values()), results)

    def render(self, reply: Reply, conversation: Conversation) -> Json:
        """A response."""
        output: list[Json] = []
        if reply.text:
            part = {"type": "output_text", "text": reply.text, "annotations": []}
            output.append(_item("message", "msg", role="assistant", content=[part]))
        output += _call_items(reply.calls, conversation)
        return {
            "id": new_id("resp"),
            "object": "response",
            "created_at": int(time.time()),
            "status": "completed",
            "model": conversation.model,
            "output": output,
            "usage": openai_usage(len(conversation.results)),
        }

    def events(self, whole: Json) -> list[Json]:
        """A start, each item when it begins and when it is done, and an end with everything."""
        begun = {**whole, "status": "in_progress", "output": [], "usage": None}
        events: list[Json] = [{"type": "response.created", "response": begun}]
        for index, item in enumerate(whole["output"]):
            events.append({"type": "response.output_item.added", "output_index": index, "item": _begun(item)})
            if item["type"] == "message":
                delta = {"item_id": item["id"], "output_index": index, "content_index": 0}
                text = item["content"][0]["text"]
                events.append({"type": "response.output_text.delta", **delta, "delta": text})
            events.append({"type": "response.output_item.done", "output_index": index, "item": item})
        events.append({"type": "response.completed", "response": whole})
        return [{**event, "sequence_number": number} for number, event in enumerate(events)]

    def error(self, status: int, message: str, retry_after: float | None = None) -> Json:
        """An error."""
        word = reason(_REASONS, status)
        return {"error": {"message": message, "type": word, "code": word, "param": None}}

    def stream_error(self, message: str) -> Json:
        """A response that failed."""
        error = {"code": "server_error", "message": message}
        response = {"id": new_id("resp"), "object": "response", "status": "failed", "output": [], "error": error}
        return {"type": "response.failed", "response": response}

    def unknown_event(self) -> Json:
        """An event that no client can know."""
        return {"type": "response.horoscope.delta", "horoscope": {"sign": "aries"}}


def _items(body: Json) -> list[Json]:
    items = body.get("input")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _offers(tools: Sequence[Json]) -> list[Offer]:
    offers = []
    for tool in tools:
        if tool.get("type") == "namespace":
            offers += [Offer(inner["name"], tool["name"]) for inner in tool.get("tools", [])]
        else:
            offers.append(Offer(str(tool.get("name") or tool.get("type"))))
    return offers


def _call_items(calls: Sequence[ToolCall], conversation: Conversation) -> list[Json]:
    """The calls, in the way in which the client offers them; a search replaces all calls that need it first."""
    items: list[Json] = []
    searched = False
    for call in calls:
        if call.offer is not None or call.raw:
            items.append(_function_call(call))
        elif code_tool := conversation.offer("exec"):
            items.append(_code_call(call, code_tool))
        elif conversation.offer("tool_search"):
            if not searched:
                query = {"query": call.tool.replace("_", " "), "limit": 16}
                items.append(_item("tool_search_call", "tsc", True, execution="client", arguments=query))
            searched = True
        else:
            items.append(_function_call(call))
    return items


def _function_call(call: ToolCall) -> Json:
    offer = call.offer or Offer(call.tool)
    item = _item("function_call", "fc", True, name=offer.name, arguments=json.dumps(dict(call.arguments)))
    return item if offer.namespace is None else {**item, "namespace": offer.namespace}


def _code_call(call: ToolCall, code_tool: Offer) -> Json:
    """JavaScript that finds a tool and calls it."""
    source = _CALL_BY_CODE % (json.dumps(call.tool), json.dumps(f"__{call.tool}"), json.dumps(dict(call.arguments)))
    item = _item("custom_tool_call", "ctc", True, name=code_tool.name, input=source)
    return item if code_tool.namespace is None else {**item, "namespace": code_tool.namespace}


def _item(kind: str, prefix: str, call: bool = False, **fields: Any) -> Json:
    ids = {"id": new_id(prefix), **({"call_id": new_id("call")} if call else {})}
    return {"type": kind, **ids, "status": "completed", **fields}


def _begun(item: Json) -> Json:
    empty: Json = {"content": []} if item["type"] == "message" else {}
    return {**item, "status": "in_progress", **empty}
