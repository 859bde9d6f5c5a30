"""How what a CLI said and did leads to the cause of its failure."""

import pytest

from scribe_suite.causes import CAUSES, Part
from scribe_suite.providers.failures import by_status, by_words, diagnose
from scribe_suite.providers.transcript import ToolCall, Transcript

CALL = ToolCall(tool="execute_code", arguments="{}", started=1.0, ended=2.0)


def told(**fields):
    return Transcript(cli="claude", **fields)


WORDS = [
    ("Not logged in · Please run /login", "not_logged_in"),
    ("Missing environment variable: `OPENAI_API_KEY`.", "not_logged_in"),
    ("Please set an Auth method in your settings.json", "not_logged_in"),
    ("unexpected status 401 Unauthorized: invalid x-api-key", "auth_rejected"),
    ("API Error: 403 permission_error", "auth_rejected"),
    ("API key not valid. Please pass a valid API key.", "auth_rejected"),
    ("exceeded retry limit, last status: 429 Too Many Requests", "rate_limited"),
    ("RESOURCE_EXHAUSTED: quota exceeded", "rate_limited"),
    ("unexpected status 500 Internal Server Error", "server_error"),
    ("API Error: 529 overloaded_error", "server_error"),
    ("API Error: JSON Parse error: Unrecognized token '<'", "server_error"),
    ("We are currently experiencing high demand", "server_error"),
    ("unexpected status 404 Not Found: model_not_found", "request_refused"),
    (
        '{"error": {"message": "no such model", "type": "invalid_request_error", "code": "model_not_found"}}',
        "request_refused",
    ),
    ("unexpected status 401 Unauthorized: invalid_request_error", "auth_rejected"),
    ("Request timed out", "no_response"),
    ("stream disconnected before completion: idle timeout waiting for SSE", "stalled"),
    ("fetch failed: getaddrinfo ENOTFOUND host", "network"),
    ("Connection error.", "network"),
    ("MCP server scribe failed to start", "mcp_not_connected"),
    (
        "required MCP servers failed to initialize: scribe: handshaking with MCP server failed: connection closed",
        "mcp_not_connected",
    ),
    ("stream disconnected before completion: Transport error: network error", "network"),
    ("API Error: Connection lost mid-response. The response above may be incomplete.", "network"),
    (
        "Error when talking to Gemini API ModelNotFoundError: simulated\n    at f (file:///x.js:401:12)",
        "request_refused",
    ),
]


@pytest.mark.parametrize(("text", "cause"), WORDS)
def test_words_of_the_clis_tell_the_cause(text, cause):
    assert by_words(text) == cause
    assert diagnose(told(error=text, connected=True, calls=[CALL]), 1, "") == cause


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (400, "request_refused"), (401, "auth_rejected"), (403, "auth_rejected"), (404, "request_refused"),
        (408, "no_response"), (429, "rate_limited"), (500, "server_error"), (503, "server_error"),
        (529, "server_error"),
    ],
)  # fmt: skip
def test_a_status_tells_more_than_words(status, cause):
    assert by_status(status) == cause
    assert diagnose(told(error="idle", status=status), 0, "") == cause


@pytest.mark.parametrize(
    ("transcript", "exit_code", "stderr", "cause"),
    [
        (told(final=True, calls=[CALL]), 0, "", None),
        (told(final=True, calls=[CALL]), 1, "", "cli_broke_off"),
        (told(final=True, calls=[CALL], connected=False), 0, "", "mcp_not_connected"),
        (told(final=True, connected=True, tools_offered=False), 0, "", "tools_missing"),
        (told(final=True), 0, "", "no_tool_call"),
        (told(final=True), 0, "MCP ERROR (scribe): connection failed", "mcp_not_connected"),
        (told(calls=[CALL]), 0, "", "cli_broke_off"),
        (told(calls=[CALL]), 1, "Error executing tool execute_code: 503 Service Unavailable", "cli_broke_off"),
        (told(calls=[CALL], unknown_events=1), 1, "", "cli_broke_off"),
        (told(calls=[CALL], unknown_events=1), 0, "", "unknown_event"),
        (told(), -11, "Segmentation fault", "cli_crashed"),
        (told(unknown_events=2), 0, "", "unknown_event"),
        (told(), 41, "Please set an Auth method", "not_logged_in"),
        (told(limit=True, calls=[CALL]), 53, "", "limit_reached"),
        (told(limit=True, error="x", connected=False), 1, "", "limit_reached"),
        (told(error="something new", calls=[CALL]), 1, "", "cli_broke_off"),
        (told(error="something new", calls=[CALL]), 1, "status 500", "cli_broke_off"),
        (told(error="something new"), 1, "Attempt 1 failed with status 500. Retrying", "server_error"),
        (told(error="something new"), 1, "    at f (file:///bundle/x.js:503:12)", "cli_crashed"),
    ],
)
def test_exit_codes_are_not_trusted_alone(transcript, exit_code, stderr, cause):
    assert diagnose(transcript, exit_code, stderr) == cause


OF_THE_MODEL = [
    ("Prompt is too long", None, "context_overflow"),
    ("API Error: 400 prompt is too long: 208310 tokens > 200000 maximum", 400, "context_overflow"),
    ("API Error: 413 request_too_large: Request exceeds the maximum size", 413, "context_overflow"),
    ("Codex ran out of room in the model's context window. Start a new thread", None, "context_overflow"),
    ("Your input exceeds the context window of this model.", None, "context_overflow"),
    ("The input token count (1196265) exceeds the maximum number of tokens allowed", 400, "context_overflow"),
    ("API Error: Claude's response exceeded the 32000 output token maximum.", None, "unusable_output"),
    ("Incomplete response returned, reason: max_output_tokens", None, "unusable_output"),
    ("Model stream ended with malformed function call.", None, "unusable_output"),
    ("Model stream ended with empty response text.", None, "unusable_output"),
    ("Claude Code is unable to respond to this request, which appears to violate our Usage Policy", None, "declined"),
    ("Incomplete response returned, reason: content_filter", None, "declined"),
    ("Model stream ended due to safety settings (SAFETY) with empty response text.", None, "declined"),
    (
        "Model stream ended due to token limit exhaustion (MAX_TOKENS) with empty response text.",
        None,
        "unusable_output",
    ),
    ("Prompt is too long · automatic compaction failed: Request timed out", None, "context_overflow"),
    ("API Error: 400 The request body is not valid JSON: no low surrogate in string", 400, "conversation_refused"),
    ("unexpected status 400 Bad Request", None, "conversation_refused"),
    (
        '{"error": {"message": "body is not valid JSON: no low surrogate", "type": "invalid_request_error"}}',
        None,
        "conversation_refused",
    ),
    (
        '[API Error: {"error":{"code":400,"message":"not valid JSON: no low surrogate","status":"INVALID_ARGUMENT"}}]',
        None,
        "conversation_refused",
    ),
    ("INVALID_ARGUMENT: Request contains an invalid argument.", None, "conversation_refused"),
]


@pytest.mark.parametrize(("error", "status", "cause"), OF_THE_MODEL)
def test_what_a_model_brings_about_by_what_it_says_or_reads_counts(error, status, cause):
    assert CAUSES[cause].counts
    assert diagnose(told(error=error, status=status, connected=True, calls=[CALL]), 1, "") == cause
    # before it has said anything it can have brought about nothing, unless that is all that it says
    first = diagnose(told(error=error, status=status, connected=True), 1, "")
    assert first == "declined" if cause == "declined" else not CAUSES[first].counts


@pytest.mark.parametrize(("text", "cause"), WORDS)
def test_what_a_service_does_wrong_never_counts(text, cause):
    assert not CAUSES[cause].counts
    for status in (401, 403, 404, 429, 500, 529):
        assert diagnose(told(error=f"{text} max_tokens", status=status, calls=[CALL]), 1, "") == by_status(status)


def test_every_cause_that_words_and_statuses_lead_to_is_a_cli_s():
    assert {CAUSES[cause].part for cause in {*(cause for _, cause in WORDS), *map(by_status, range(400, 600))}} == {
        Part.CLI
    }
