"""Gemini CLI, headless."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from scribe_suite.providers.clis.adapter import SERVER, Adapter, Job, Launch, bare_name
from scribe_suite.providers.clis.driver import CliProvider
from scribe_suite.providers.clis.events import parse_event
from scribe_suite.providers.transcript import Tokens, ToolCall, Transcript, shorten

#: The default model. The CLI's own default lets another model choose one for every request.
MODEL = "pro"
#: How often the CLI itself tries a request.
ATTEMPTS = 3
#: Allows only the notebook's tools; everything else is denied.
POLICY = f"""\
[[rule]]
toolName = "*"
decision = "deny"
priority = 100

[[rule]]
mcpName = "{SERVER}"
toolName = "*"
decision = "allow"
priority = 200
"""


class GeminiAdapter(Adapter):
    """Gemini CLI."""

    title = "Gemini CLI"
    program = "gemini"
    variable = "SCRIBE_GEMINI_BIN"
    keys = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
    settings = ("GOOGLE_GEMINI_BASE_URL", "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION")
    credentials: ClassVar[Mapping[str, str]] = {
        ".gemini/oauth_creds.json": ".gemini/oauth_creds.json",
        ".gemini/google_accounts.json": ".gemini/google_accounts.json",
    }
    config_variable = "GEMINI_CLI_HOME"
    config_is_home = True
    login = "run `gemini` once and log in, or set GEMINI_API_KEY"

    def __init__(self) -> None:
        self._open: dict[str, ToolCall] = {}
        self._said = ""

    def launch(self, job: Job) -> Launch:
        """Use our own settings and policy."""
        folder = job.home / ".gemini"
        (folder / "policies").mkdir(parents=True, exist_ok=True)
        (folder / "policies" / "notebook.toml").write_text(POLICY)
        command, *arguments = job.endpoint.pump_argv
        with_key = any(job.environ.get(name) for name in self.keys)
        settings = {
            "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False, "maxAttempts": ATTEMPTS},
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
            "security": {
                "auth": {"selectedType": "gemini-api-key" if with_key else "oauth-personal"},
                "folderTrust": {"enabled": False},
            },
            "model": {"maxSessionTurns": job.limits.turns or -1, "disableLoopDetection": True},
            "skills": {"enabled": False},
            "experimental": {"enableAgents": False},
            "mcpServers": {SERVER: {"command": command, "args": arguments, "timeout": job.tool_s * 1000}},
        }
        (folder / "settings.json").write_text(json.dumps(settings))
        argv = (*job.binary, "--output-format", "stream-json", "-m", job.model or MODEL)
        environment = {"GEMINI_CLI_HOME": str(job.home), "GEMINI_CLI_NO_RELAUNCH": "true"}
        return Launch(argv, environment, job.prompt)

    def read(self, event: Mapping[str, Any], at: float, transcript: Transcript) -> None:
        """Process an event of ``--output-format stream-json``."""
        kind = event.get("type")
        if kind != "message":
            self._flush(at, transcript)
        if kind == "init":
            transcript.model = event.get("model")
        elif kind == "message" and event.get("role") == "assistant":
            self._said += str(event.get("content", ""))
        elif kind == "tool_use":
            tool, ours = bare_name(str(event.get("tool_name")))
            arguments = json.dumps(event.get("parameters"))
            call = ToolCall(tool=tool, arguments=arguments, started=at, built_in=not ours)
            transcript.calls.append(call)
            self._open[str(event.get("tool_id"))] = call
        elif kind == "tool_result":
            ended = self._open.pop(str(event.get("tool_id")), None)
            if ended is not None:
                ended.ended, ended.is_error = at, event.get("status") == "error"
                ended.output = shorten(str(event.get("output", "")))
        elif kind == "error":
            transcript.error = shorten(str(event.get("message") or event.get("error")))
        elif kind == "result":
            self._read_result(event, transcript)

    def finish(self, job: Job, transcript: Transcript) -> None:
        """Read the models, requests and, when it was stopped, tokens, which are only in its session file."""
        answers: dict[str, Mapping[str, Any]] = {}
        for line in job.session_lines(".gemini/tmp", "session-*.jsonl"):
            entry = parse_event(line) or {}
            if entry.get("type") == "gemini" and isinstance(entry.get("tokens"), dict):
                answers[str(entry.get("id"))] = entry  # once more when its tool calls have ended
        if not answers:
            return
        transcript.requests = len(answers)
        transcript.model = str([*answers.values()][-1].get("model") or transcript.model)
        if not transcript.final:
            transcript.tokens = sum((_tokens(entry["tokens"]) for entry in answers.values()), Tokens())

    def _flush(self, at: float, transcript: Transcript) -> None:
        transcript.say(at, "assistant", self._said)
        self._said = ""

    def _read_result(self, event: Mapping[str, Any], transcript: Transcript) -> None:
        transcript.final = True
        stats = event.get("stats") or {}
        total, output = stats.get("total_tokens") or 0, stats.get("output_tokens") or 0
        if total:
            cached, with_cached = stats.get("cached") or 0, stats.get("input_tokens") or 0
            transcript.tokens = Tokens(
                input=max(0, with_cached - cached),
                cached=cached,
                output=output,
                reasoning=max(0, total - with_cached - output),
            )
        if event.get("status") == "success":
            transcript.error = None  # an error that it got over
            return
        error = event.get("error") or {}
        message = str(error.get("message") or transcript.error or "it ended with an error")
        transcript.limit = error.get("type") == "FatalTurnLimitedError" or "session turn" in message
        transcript.error = None if transcript.limit else shorten(message)


def _tokens(counted: Mapping[str, Any]) -> Tokens:
    """Tokens of one answer in a session file, whose input includes cached ones."""
    cached = counted.get("cached") or 0
    return Tokens(
        input=max(0, (counted.get("input") or 0) - cached),
        cached=cached,
        output=counted.get("output") or 0,
        reasoning=counted.get("thoughts") or 0,
    )


class GeminiProvider(CliProvider):
    """Gemini CLI with the notebook as its only tool."""

    name = "gemini"
    summary = "Gemini CLI, headless, with the notebook as its only tool; gemini:MODEL for a model"
    adapter = GeminiAdapter
