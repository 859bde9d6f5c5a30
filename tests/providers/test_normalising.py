"""Recorded events of the CLIs, shortened, in the one schema for all of them."""

import json
import os
from pathlib import Path

import pytest

from scribe_suite.providers.base import Limits
from scribe_suite.providers.clis.adapter import Job
from scribe_suite.providers.clis.claude import ClaudeAdapter
from scribe_suite.providers.clis.codex import CodexAdapter
from scribe_suite.providers.clis.gemini import GeminiAdapter
from scribe_suite.providers.failures import diagnose
from scribe_suite.providers.transcript import Message, Transcript
from scribe_suite.untrusted_files import UntrustedFolder

CODE = {"session_id": "s1", "code": "1/0"}


def init(status="connected", tools=("mcp__scribe__execute_code",)):
    servers = [{"name": "scribe", "status": status}]
    return {"type": "system", "subtype": "init", "tools": list(tools), "mcp_servers": servers, "model": "claude-x"}


def claude_says(message_id, *blocks, model="claude-x"):
    usage = {"input_tokens": 1000, "cache_creation_input_tokens": 7, "cache_read_input_tokens": 500, "output_tokens": 1}
    message = {"id": message_id, "role": "assistant", "model": model, "content": list(blocks), "usage": usage}
    return {"type": "assistant", "message": message}


CLAUDE = [
    init(),
    claude_says("m1", {"type": "text", "text": "I begin."}),
    claude_says("m1", {"type": "tool_use", "id": "t1", "name": "mcp__scribe__execute_code", "input": CODE}),
    {
        "type": "user",
        "message": {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "is_error": True,
                    "content": [{"type": "text", "text": "boom"}, {"type": "image", "source": {}}],
                }
            ],
        },
    },
    claude_says("m2", {"type": "text", "text": "Done."}),
    {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "num_turns": 2,
        "total_cost_usd": 0.02,
        "usage": {
            "input_tokens": 2001,
            "cache_creation_input_tokens": 14,
            "cache_read_input_tokens": 1000,
            "output_tokens": 120,
            "output_tokens_details": {"thinking_tokens": 40},
        },
    },
]
CODEX = [
    {"type": "thread.started", "thread_id": "x"},
    {"type": "turn.started"},
    {"type": "item.completed", "item": {"id": "item_0", "type": "agent_message", "text": "I begin."}},
    {
        "type": "item.started",
        "item": {"id": "item_1", "type": "mcp_tool_call", "server": "scribe", "tool": "execute_code",
                 "arguments": CODE, "result": None, "error": None, "status": "in_progress"},
    },
    {
        "type": "item.completed",
        "item": {"id": "item_1", "type": "mcp_tool_call", "server": "scribe", "tool": "execute_code",
                 "arguments": CODE, "result": {"content": [{"type": "text", "text": "boom"}, {"type": "image"}]},
                 "error": None, "status": "failed"},
    },
    {"type": "item.completed", "item": {"id": "item_2", "type": "agent_message", "text": "Done."}},
    {
        "type": "turn.completed",
        "usage": {"input_tokens": 3015, "cached_input_tokens": 1000, "cache_write_input_tokens": 14,
                  "output_tokens": 120, "reasoning_output_tokens": 40},
    },
]  # fmt: skip
GEMINI = [
    {"type": "init", "session_id": "x", "model": "pro"},
    {"type": "message", "role": "user", "content": "the prompt"},
    {"type": "message", "role": "assistant", "content": "I ", "delta": True},
    {"type": "message", "role": "assistant", "content": "begin.", "delta": True},
    {"type": "tool_use", "tool_name": "mcp_scribe_execute_code", "tool_id": "t1", "parameters": CODE},
    {"type": "tool_result", "tool_id": "t1", "status": "error", "output": "boom\n[image]"},
    {"type": "message", "role": "assistant", "content": "Done.", "delta": True},
    {
        "type": "result",
        "status": "success",
        "stats": {"total_tokens": 3121, "input_tokens": 3001, "output_tokens": 80, "cached": 1000, "tool_calls": 1},
    },
]
ADAPTERS = {"claude": ClaudeAdapter, "codex": CodexAdapter, "gemini": GeminiAdapter}


def read(cli, events):
    adapter, transcript = ADAPTERS[cli](), Transcript(cli=cli)
    for second, event in enumerate(events):
        adapter.read(json.loads(json.dumps(event)), float(second), transcript)
    return transcript


@pytest.mark.parametrize(
    ("cli", "events", "tokens"),
    [
        ("claude", CLAUDE, {"input": 2001, "cached": 1000, "cache_write": 14, "output": 80, "reasoning": 40}),
        ("codex", CODEX, {"input": 2001, "cached": 1000, "cache_write": 14, "output": 80, "reasoning": 40}),
        ("gemini", GEMINI, {"input": 2001, "cached": 1000, "output": 80, "reasoning": 40}),
    ],
)
def test_all_of_them_tell_the_same_story(cli, events, tokens):
    told = read(cli, events)
    assert [(message.role, message.text) for message in told.messages] == [
        ("assistant", "I begin."),
        ("assistant", "Done."),
    ]
    (call,) = told.calls
    assert (call.tool, json.loads(call.arguments), call.is_error, call.output, call.built_in) == (
        "execute_code",
        CODE,
        True,
        "boom\n[image]",
        False,
    )
    assert call.started < call.ended
    assert told.tokens.by_kind() == tokens
    assert told.final
    assert told.error is None
    assert diagnose(told, 0, "") is None


def test_claude_counts_answers_and_knows_their_tokens_before_the_end():
    told = read("claude", CLAUDE[:-1])
    assert (told.model, told.requests, told.connected, told.tools_offered) == ("claude-x", 2, True, True)
    assert told.tokens.by_kind() == {"input": 2000, "cached": 1000, "cache_write": 14, "output": 2}
    assert not told.final
    assert read("claude", CLAUDE).cost_usd == 0.02


@pytest.mark.parametrize(
    ("event", "cause"),
    [
        (init(status="failed", tools=()), "mcp_not_connected"),
        (init(status="pending", tools=()), "mcp_not_connected"),
        (init(tools=("Bash",)), "tools_missing"),
    ],
    ids=["failed", "pending", "no tools"],
)
def test_claude_runs_without_the_notebook_and_says_success(event, cause):
    told = read("claude", [event, *CLAUDE[1:2], CLAUDE[-1]])
    assert diagnose(told, 0, "") == cause


def test_claudes_own_message_about_an_error_is_no_answer_of_a_model():
    message = claude_says("x", {"type": "text", "text": "API Error: 401"}, model="<synthetic>")
    result = {"type": "result", "subtype": "success", "is_error": True, "result": "API Error: 401", "usage": {}}
    told = read("claude", [init(), message, {**result, "api_error_status": 401}])
    assert (told.requests, told.tokens, told.answered) == (0, None, False)
    assert read("claude", CLAUDE[:2]).answered
    assert diagnose(told, 1, "") == "auth_rejected"


def test_claude_says_what_it_asks_again_for():
    retry = {"type": "system", "subtype": "api_retry", "attempt": 1, "error_status": 429}
    assert read("claude", [init(), retry]).retrying == 429
    assert read("claude", [init(), retry, CLAUDE[1]]).retrying is None


@pytest.mark.parametrize("subtype", ["error_max_turns", "error_max_budget_usd"])
def test_claudes_limits_are_limits(subtype):
    told = read("claude", [*CLAUDE[:-1], {**CLAUDE[-1], "subtype": subtype, "is_error": True}])
    assert diagnose(told, 1, "") == "limit_reached"


def test_codex_fails_in_words():
    failed = {"type": "turn.failed", "error": {"message": "exceeded retry limit, last status: 429 Too Many Requests"}}
    assert diagnose(read("codex", [*CODEX[:2], failed]), 1, "") == "rate_limited"


def test_built_in_tools_of_codex_are_told_apart():
    item = {"id": "item_9", "type": "command_execution", "command": "ls", "status": "completed"}
    told = read("codex", [*CODEX[:-1], {"type": "item.completed", "item": item}, CODEX[-1]])
    assert [(call.tool, call.built_in) for call in told.calls] == [("execute_code", False), ("command_execution", True)]
    assert told.notebook_calls == 1


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        ({"type": "FatalTurnLimitedError", "message": "Reached max session turns"}, "limit_reached"),
        ({"type": "Error", "message": '[API Error: {"error":{"code":503,"status":"UNAVAILABLE"}}]'}, "server_error"),
    ],
)
def test_gemini_fails_in_its_result(error, cause):
    told = read("gemini", [*GEMINI[:-1], {"type": "result", "status": "error", "error": error, "stats": {}}])
    assert diagnose(told, 53, "") == cause


def test_gemini_got_over_an_error():
    told = read("gemini", [*GEMINI[:-1], {"type": "error", "message": "a retry"}, GEMINI[-1]])
    assert diagnose(told, 0, "") is None


@pytest.mark.parametrize("cli", sorted(ADAPTERS))
def test_events_nobody_knows_change_nothing(cli):
    told = read(cli, [{}, {"type": None}, {"type": "brand.new", "item": {"type": "newer"}, "message": {}}])
    assert told == Transcript(cli=cli)


def test_codex_keeps_model_requests_and_tokens_in_its_session_file(tmp_path):
    path = tmp_path / ".codex/sessions/2026/rollout-x.jsonl"
    path.parent.mkdir(parents=True)
    usage = {"input_tokens": 1500, "cached_input_tokens": 500, "output_tokens": 60, "reasoning_output_tokens": 20}
    count = {"type": "event_msg", "payload": {"type": "token_count", "info": {"total_token_usage": usage}}}
    lines = [{"type": "turn_context", "payload": {"model": "gpt-x"}}, count, count]
    path.write_text("\n".join(map(json.dumps, lines)) + '\n{"torn')
    check_session_file("codex", tmp_path, "gpt-x", {"input": 1000, "cached": 500, "output": 40, "reasoning": 20})


def test_gemini_keeps_model_requests_and_tokens_in_its_session_file(tmp_path):
    path = tmp_path / ".gemini/tmp/work/chats/session-x.jsonl"
    path.parent.mkdir(parents=True)
    tokens = {"input": 1500, "output": 40, "cached": 500, "thoughts": 20, "tool": 0, "total": 1560}
    answer = {"type": "gemini", "id": "a", "tokens": tokens, "model": "gemini-x"}
    lines = [{"type": "user"}, answer, {"$set": {}}, {**answer, "toolCalls": []}, {**answer, "id": "b"}]
    path.write_text("\n".join(map(json.dumps, lines)) + '\n{"torn')
    check_session_file("gemini", tmp_path, "gemini-x", {"input": 2000, "cached": 1000, "output": 80, "reasoning": 40})


def check_session_file(cli, home, model, tokens):
    job = Job("", None, None, Limits(30.0, 5.0), home, UntrustedFolder(home), home, (), {})
    adapter, told = ADAPTERS[cli](), Transcript(cli=cli)
    for _ in range(2):  # it is looked at while the CLI runs, and again at its end
        adapter.finish(job, told)
        assert (told.model, told.requests) == (model, 2)
        assert told.tokens.by_kind() == tokens


def test_long_texts_keep_head_and_tail():
    transcript = Transcript(cli="claude")
    transcript.say(1.0, "assistant", "a" * 30_000 + "z")
    transcript.say(2.0, "assistant", "  \n")
    (message,) = transcript.messages
    assert isinstance(message, Message)
    assert len(message.text) < 20_100
    assert message.text.endswith("z")
    assert "10,001 characters left out" in message.text


@pytest.mark.parametrize(
    ("cli", "name"),
    [("codex", ".codex/sessions/2026/rollout-x.jsonl"), ("gemini", ".gemini/tmp/work/chats/session-x.jsonl")],
)
@pytest.mark.parametrize("plant", ["link", "folder", "pipe", "hard link", "endless"])
def test_what_a_cli_leaves_in_the_place_of_its_session_file_is_not_read(tmp_path, cli, name, plant):
    secret = tmp_path / "elsewhere" / Path(name).name
    secret.parent.mkdir()
    secret.write_text(
        json.dumps({"payload": {"model": "of another"}, "type": "gemini", "tokens": {}, "model": "of another"})
    )
    path = tmp_path / "home" / name
    path.parent.parent.mkdir(parents=True)
    if plant == "folder":
        path.parent.symlink_to(secret.parent)
    else:
        path.parent.mkdir()
        {"link": path.symlink_to, "hard link": path.hardlink_to, "pipe": lambda _: os.mkfifo(path),
         "endless": lambda _: (path.touch(), os.truncate(path, 1 << 40))}[plant](secret)  # fmt: skip
    home = tmp_path / "home"
    told = Transcript(cli=cli)
    ADAPTERS[cli]().finish(Job("", None, None, Limits(30.0, 5.0), home, UntrustedFolder(home), home, (), {}), told)
    assert told == Transcript(cli=cli)
