"""Claude Code, headless."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from scribe_suite.providers.clis.adapter import SERVER, START_S, Adapter, Job, Launch, bare_name
from scribe_suite.providers.clis.driver import CliProvider
from scribe_suite.providers.transcript import Tokens, ToolCall, Transcript, shorten

#: The model name in messages by which the CLI itself reports an error.
MADE_UP = "<synthetic>"
#: How many retries of a failed request the CLI makes itself.
RETRIES = "3"
#: Milliseconds after which a request without an answer is abandoned.
REQUEST_MS = "300000"


class ClaudeAdapter(Adapter):
    """Claude Code."""

    title = "Claude Code"
    program = "claude"
    variable = "SCRIBE_CLAUDE_BIN"
    keys = ("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_AUTH_TOKEN")
    settings = ("ANTHROPIC_BASE_URL", "API_TIMEOUT_MS")
    credentials: ClassVar[Mapping[str, str]] = {".claude/.credentials.json": ".claude/.credentials.json"}
    config_variable = "CLAUDE_CONFIG_DIR"
    login = "run `claude` once and log in, or set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN"

    def launch(self, job: Job) -> Launch:
        """Allow the notebook's tools and nothing else; no user settings, no memory, no other traffic."""
        command, *arguments = job.endpoint.pump_argv
        server = {"type": "stdio", "command": command, "args": arguments, "env": {}, "timeout": job.tool_s * 1000}
        (job.home / "mcp.json").write_text(json.dumps({"mcpServers": {SERVER: server}}))
        argv = [*job.binary, "-p", "--output-format", "stream-json", "--verbose"]
        argv += ["--mcp-config", str(job.home / "mcp.json"), "--strict-mcp-config", "--setting-sources", ""]
        argv += ["--tools", "", "--allowedTools", f"mcp__{SERVER}__*", "--permission-mode", "dontAsk"]
        argv += ["--disable-slash-commands", "--no-session-persistence"]
        if job.model is not None:
            argv += ["--model", job.model]
        if job.limits.turns is not None:
            argv += ["--max-turns", str(job.limits.turns)]
        if job.limits.cost_usd is not None:
            argv += ["--max-budget-usd", str(job.limits.cost_usd)]
        environment = {
            "CLAUDE_CONFIG_DIR": str(job.home / ".claude"),
            "CLAUDE_CODE_TMPDIR": str(job.work),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_TELEMETRY": "1",
            "CLAUDE_CODE_MAX_RETRIES": RETRIES,
            "CLAUDE_CODE_MCP_ALLOWLIST_ENV": "1",  # the server must not see the key
            "API_TIMEOUT_MS": job.environ.get("API_TIMEOUT_MS", REQUEST_MS),
            "MCP_TIMEOUT": str(START_S * 1000),
            "MCP_TOOL_TIMEOUT": str(job.tool_s * 1000),
            "MCP_CONNECTION_NONBLOCKING": "0",
        }
        return Launch(tuple(argv), environment, job.prompt)

    def read(self, event: Mapping[str, Any], at: float, transcript: Transcript) -> None:
        """Process an event of ``--output-format stream-json``."""
        kind = event.get("type")
        if kind == "system" and event.get("subtype") == "init":
            transcript.model = event.get("model")
            servers = event.get("mcp_servers") or []
            transcript.connected = any(
                server.get("name") == SERVER and server.get("status") == "connected" for server in servers
            )
            tools = event.get("tools")
            transcript.tools_offered = None if tools is None else any(bare_name(str(tool))[1] for tool in tools)
        elif kind == "system" and event.get("subtype") == "api_retry":
            status = event.get("error_status")
            transcript.retrying = status if isinstance(status, int) else None
        elif kind in ("assistant", "user"):
            self._read_message(event.get("message") or {}, str(kind), at, transcript)
        elif kind == "result":
            self._read_result(event, transcript)

    def _read_message(self, message: Mapping[str, Any], role: str, at: float, transcript: Transcript) -> None:
        content = message.get("content")
        if message.get("model") == MADE_UP:
            role = "cli"
        if isinstance(content, str):
            transcript.say(at, role, content)
            return
        for block in content or []:
            if block.get("type") == "text":
                transcript.say(at, role, str(block.get("text", "")))
            elif block.get("type") == "tool_use":
                tool, ours = bare_name(str(block.get("name")))
                call = ToolCall(tool=tool, arguments=json.dumps(block.get("input")), started=at, built_in=not ours)
                transcript.calls.append(call)
                self._open[str(block.get("id"))] = call
            elif block.get("type") == "tool_result":
                ended = self._open.pop(str(block.get("tool_use_id")), None)
                if ended is not None:
                    ended.ended, ended.is_error = at, bool(block.get("is_error"))
                    ended.output = shorten(_text(block.get("content")))
        if role == "assistant":
            # the events of one answer have the token counts known at that time; the very last event has the sum
            self._usage[message.get("id")] = _tokens(message.get("usage") or {})
            transcript.requests = len(self._usage)
            transcript.retrying = None
            transcript.tokens = sum(self._usage.values(), Tokens())

    def __init__(self) -> None:
        self._open: dict[str, ToolCall] = {}
        self._usage: dict[Any, Tokens] = {}

    def _read_result(self, event: Mapping[str, Any], transcript: Transcript) -> None:
        transcript.final = True
        usage = event.get("usage") or {}
        if usage.get("output_tokens") or usage.get("input_tokens"):
            # when it was interrupted, the last answer may be missing there
            transcript.tokens = max(_tokens(usage), transcript.tokens or Tokens(), key=lambda tokens: tokens.total)
            transcript.cost_usd = event.get("total_cost_usd")
        subtype = str(event.get("subtype"))
        transcript.limit = subtype in ("error_max_turns", "error_max_budget_usd")
        if event.get("is_error") and not transcript.limit:
            errors = event.get("errors") or [event.get("result") or subtype]
            transcript.error = shorten(str(errors[0]))
            status = event.get("api_error_status")
            transcript.status = status if isinstance(status, int) else None


def _tokens(usage: Mapping[str, Any]) -> Tokens:
    reasoning = (usage.get("output_tokens_details") or {}).get("thinking_tokens") or 0
    return Tokens(
        input=usage.get("input_tokens") or 0,
        cached=usage.get("cache_read_input_tokens") or 0,
        cache_write=usage.get("cache_creation_input_tokens") or 0,
        output=max(0, (usage.get("output_tokens") or 0) - reasoning),
        reasoning=reasoning,
    )


def _text(content: object) -> str:
    if isinstance(content, list):
        return "\n".join(str(block.get("text", "[image]")) for block in content if isinstance(block, dict))
    return str(content or "")


class ClaudeProvider(CliProvider):
    """Claude Code with the notebook as its only tool."""

    name = "claude"
    summary = "Claude Code, headless, with the notebook as its only tool; claude:MODEL for a model"
    adapter = ClaudeAdapter
