"""Minimal clients of the APIs, for the server's own tests: a body, a post, and what the reply says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tools.model_server.usage import Api, Usage

APIS: tuple[Api, ...] = ("anthropic", "openai", "openai-chat", "gemini")
TIMEOUT_S = 5.0
#: One for all: to make one takes longer than most requests.
HTTP = httpx.Client(timeout=TIMEOUT_S)
TOOLS = ("start_new_session", "execute_code", "add_markdown", "submit_answer")

#: A finished tool call: name as offered, arguments, and the text of its result.
Past = tuple[str, dict[str, Any], str]


@dataclass(frozen=True)
class Said:
    """What a reply says, read by a client's rules."""

    text: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    usage: Usage = field(default_factory=Usage)


def spelled(api: Api, tool: str) -> str:
    """The name of a notebook tool as the CLI of `api` spells it."""
    return f"mcp_scribe_{tool}" if api == "gemini" else f"mcp__scribe__{tool}"


def request_body(api: Api, past: Sequence[Past] = (), *, stream: bool = True, tools: Sequence[str] = TOOLS) -> Any:
    """A request of `api` after the calls of `past`."""
    names = [spelled(api, tool) for tool in tools]
    if api == "anthropic":
        messages: list[Any] = [{"role": "user", "content": "Do the task."}]
        for number, (name, arguments, result) in enumerate(past):
            used = {"type": "tool_use", "id": f"t{number}", "name": name, "input": arguments}
            block = {"type": "tool_result", "tool_use_id": f"t{number}", "content": [{"type": "text", "text": result}]}
            messages += [{"role": "assistant", "content": [used]}, {"role": "user", "content": [block]}]
        return {"model": "m", "stream": stream, "messages": messages, "tools": [{"name": name} for name in names]}
    if api == "openai":
        items: list[Any] = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Do it."}]}]
        for number, (name, arguments, result) in enumerate(past):
            call = {"type": "function_call", "call_id": f"c{number}", "name": name.removeprefix("mcp__scribe__")}
            items.append({**call, "namespace": "mcp__scribe", "arguments": json.dumps(arguments)})
            output = [{"type": "input_text", "text": f"Wall time: 0.1 seconds\nOutput:\n{result}"}]
            items.append({"type": "function_call_output", "call_id": f"c{number}", "output": output})
        functions = [{"type": "function", "name": tool} for tool in tools]
        namespace = {"type": "namespace", "name": "mcp__scribe", "tools": functions}
        return {"model": "m", "stream": stream, "input": items, "tools": [namespace] if tools else []}
    if api == "openai-chat":
        said: list[Any] = [{"role": "user", "content": "Do the task."}]
        for number, (name, arguments, result) in enumerate(past):
            function = {"name": name, "arguments": json.dumps(arguments)}
            said.append({"role": "assistant", "tool_calls": [{"id": f"c{number}", "function": function}]})
            said.append({"role": "tool", "tool_call_id": f"c{number}", "content": result})
        known = [{"type": "function", "function": {"name": name}} for name in names]
        return {"model": "m", "stream": stream, "messages": said, "tools": known}
    contents: list[Any] = [{"role": "user", "parts": [{"text": "Do the task."}]}]
    for name, arguments, result in past:
        contents.append({"role": "model", "parts": [{"functionCall": {"name": name, "args": arguments}}]})
        answer = {"name": name, "response": {"output": f"<untrusted_context>\n{result}\n</untrusted_context>"}}
        contents.append({"role": "user", "parts": [{"functionResponse": answer}]})
    declared = [{"name": name} for name in names]
    return {"contents": contents, "tools": [{"functionDeclarations": declared}] if tools else []}


def target(api: Api, stream: bool = True) -> str:
    """What follows the base URL."""
    if api == "gemini":
        return "/v1beta/models/m:streamGenerateContent?alt=sse" if stream else "/v1beta/models/m:generateContent"
    return {"anthropic": "/v1/messages?beta=true", "openai": "/responses", "openai-chat": "/chat/completions"}[api]


def post(api: Api, base_url: str, past: Sequence[Past] = (), *, stream: bool = True, **rest: Any) -> httpx.Response:
    """Send a request and take the whole reply."""
    body = request_body(api, past, stream=stream, **rest)
    return HTTP.post(base_url + target(api, stream), json=body)


def say(api: Api, base_url: str, past: Sequence[Past] = (), *, stream: bool = True, **rest: Any) -> Said:
    """Send a request and read the reply, which must be good."""
    response = post(api, base_url, past, stream=stream, **rest)
    assert response.status_code == 200, response.text
    return read(api, events_of(response.text) if stream else response.json())


def events_of(text: str) -> list[dict[str, Any]]:
    """The events of a stream; that their names agree with their data is checked."""
    events = []
    for block in text.split("\n\n")[:-1]:
        *head, data = block.split("\n")
        if data == "data: [DONE]":
            continue
        event = json.loads(data.removeprefix("data: "))
        assert head == ([f"event: {event['type']}"] if "type" in event else []), block
        events.append(event)
    assert text.endswith("\n\n"), text[-200:]
    return events


def read(api: Api, reply: Any) -> Said:
    """A reply, whole or as events."""
    if api == "anthropic":
        return _read_anthropic(_assembled(reply) if isinstance(reply, list) else reply)
    if api == "openai":
        return _read_openai(_completed(reply) if isinstance(reply, list) else reply)
    if api == "openai-chat":
        return _read_chat(_merged(reply) if isinstance(reply, list) else reply)
    return _read_gemini(reply if isinstance(reply, list) else [reply])


def _assembled(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that the events build up."""
    assert events[0]["type"] == "message_start"
    assert events[-1]["type"] == "message_stop"
    message = events[0]["message"]
    for event in events:
        if event["type"] == "content_block_start":
            message["content"].append(dict(event["content_block"]))
        elif event["type"] == "content_block_delta":
            block, delta = message["content"][event["index"]], event["delta"]
            if delta["type"] == "text_delta":
                block["text"] += delta["text"]
            else:
                block["input"] = json.loads(delta["partial_json"])
        elif event["type"] == "message_delta":
            message |= {**event["delta"], "usage": event["usage"]}
    return message


def _read_anthropic(message: dict[str, Any]) -> Said:
    text = "".join(block["text"] for block in message["content"] if block["type"] == "text")
    calls = tuple((block["name"], block["input"]) for block in message["content"] if block["type"] == "tool_use")
    assert message["stop_reason"] == ("tool_use" if calls else "end_turn")
    used = message["usage"]
    cached = used["cache_read_input_tokens"]
    total = used["input_tokens"] + cached + used["cache_creation_input_tokens"]
    return Said(text, calls, Usage(total, cached, used["output_tokens"]))


def _completed(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The response of the last event, which must have the items that were told before."""
    assert events[0]["type"] == "response.created"
    assert events[-1]["type"] == "response.completed"
    response: dict[str, Any] = events[-1]["response"]
    assert [event["item"] for event in events if event["type"] == "response.output_item.done"] == response["output"]
    return response


def _read_openai(response: dict[str, Any]) -> Said:
    text, calls = "", []
    for item in response["output"]:
        if item["type"] == "message":
            text += item["content"][0]["text"]
        elif item["type"] == "function_call":
            name = f"{item['namespace']}__{item['name']}" if "namespace" in item else item["name"]
            calls.append((name, json.loads(item["arguments"])))
        else:
            calls.append((item["type"], item))
    used = response["usage"]
    cached, reasoning = used["input_tokens_details"]["cached_tokens"], used["output_tokens_details"]["reasoning_tokens"]
    return Said(text, tuple(calls), Usage(used["input_tokens"], cached, used["output_tokens"], reasoning))


def _merged(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The completion that the chunks build up; the last one has its usage."""
    begun, ended, used = chunks
    (first,), (last,) = begun["choices"], ended["choices"]
    return {"choices": [{"message": first["delta"], "finish_reason": last["finish_reason"]}], "usage": used["usage"]}


def _read_chat(completion: dict[str, Any]) -> Said:
    (choice,) = completion["choices"]
    asked = [call["function"] for call in choice["message"].get("tool_calls", [])]
    calls = tuple((function["name"], json.loads(function["arguments"])) for function in asked)
    assert choice["finish_reason"] == ("tool_calls" if calls else "stop")
    used = completion["usage"]
    cached = used["prompt_tokens_details"]["cached_tokens"]
    reasoning = used["completion_tokens_details"]["reasoning_tokens"]
    text = choice["message"]["content"] or ""
    return Said(text, calls, Usage(used["prompt_tokens"], cached, used["completion_tokens"], reasoning))


def _read_gemini(chunks: list[dict[str, Any]]) -> Said:
    parts = [part for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"]]
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"
    text = "".join(part.get("text", "") for part in parts if not part.get("thought"))
    calls = tuple(
        (part["functionCall"]["name"], part["functionCall"]["args"]) for part in parts if "functionCall" in part
    )
    used = chunks[-1]["usageMetadata"]
    thoughts = used["thoughtsTokenCount"]
    output = used["candidatesTokenCount"] + thoughts
    return Said(text, calls, Usage(used["promptTokenCount"], used["cachedContentTokenCount"], output, thoughts))
