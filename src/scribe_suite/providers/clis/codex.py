"""Codex CLI, headless."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any, ClassVar

from scribe_suite.errors import InfrastructureError
from scribe_suite.providers.clis.adapter import SERVER, START_S, Adapter, Job, Launch
from scribe_suite.providers.clis.driver import CliProvider
from scribe_suite.providers.clis.events import parse_event
from scribe_suite.providers.transcript import Tokens, ToolCall, Transcript, shorten

KEY = "OPENAI_API_KEY"
#: Entries of the model catalog that make the CLI offer MCP tools directly, and none of its own. With the stock catalog
#: a shell really runs.
ONLY_MCP: dict[str, Any] = {
    "supports_search_tool": False,
    "tool_mode": "direct",
    "apply_patch_tool_type": None,
    "shell_type": "disabled",
    "experimental_supported_tools": [],
    "multi_agent_version": None,
    "web_search_tool_type": "text",
    "upgrade": None,
}
FEATURES_OFF = ("plugins", "remote_plugin", "apps", "shell_snapshot", "view_image", "goals", "hooks")
#: Milliseconds for which the stream of an answer may be silent.
STREAM_IDLE_MS = 300_000
RETRIES = 3


class CodexAdapter(Adapter):
    """Codex CLI."""

    title = "Codex CLI"
    program = "codex"
    variable = "SCRIBE_CODEX_BIN"
    keys = (KEY, "CODEX_API_KEY")
    settings = ("OPENAI_BASE_URL",)
    credentials: ClassVar[Mapping[str, str]] = {".codex/auth.json": ".codex/auth.json"}
    config_variable = "CODEX_HOME"
    login = "run `codex login`, or set OPENAI_API_KEY"

    def __init__(self) -> None:
        self._open: dict[str, ToolCall] = {}

    def launch(self, job: Job) -> Launch:
        """Use our own configuration and model catalog, in which every tool but the notebook's is off."""
        home = job.home / ".codex"
        home.mkdir(exist_ok=True)  # before its first run, in which it lists its models
        models = self._models(job)
        model = job.model or next(iter(models))
        if model not in models:
            # a model newer than the CLI is described like the newest one it knows
            models[model] = {**next(iter(models.values())), "slug": model, "display_name": model}
        catalog = {"models": [{**models[model], **ONLY_MCP}]}
        job.kept.write(".codex/catalog.json", [json.dumps(catalog).encode()])
        job.kept.write(".codex/config.toml", [self._config(job, model, str(home / "catalog.json")).encode()])
        argv = (*job.binary, "exec", "--json", "--skip-git-repo-check", "--strict-config", "-")
        key = next((job.environ[name] for name in self.keys if job.environ.get(name)), None)
        environment = {"CODEX_HOME": str(home), **({KEY: key} if key else {})}
        return Launch(argv, environment, job.prompt)

    def _models(self, job: Job) -> dict[str, dict[str, Any]]:
        """The models that the CLI knows, by name, its default first."""
        command = [*job.binary, "debug", "models", "--bundled"]
        environment = {
            "CODEX_HOME": str(job.home / ".codex"),
            "HOME": str(job.home),
            "PATH": job.environ.get("PATH", ""),
        }
        try:
            printed = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=True).stdout
            models = {model["slug"]: model for model in json.loads(printed)["models"]}
        except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
            raise InfrastructureError(
                "cli_crashed",
                f"{self.title} did not print its models ({type(error).__name__}): its version may differ.",
            ) from error
        if not models:
            raise InfrastructureError("cli_crashed", f"{self.title} knows no models.")
        return models

    def _config(self, job: Job, model: str, catalog: str) -> str:
        command, *arguments = job.endpoint.pump_argv
        features = "\n".join(f"{name} = false" for name in FEATURES_OFF)
        url = job.environ.get("OPENAI_BASE_URL")
        own = url is not None or any(job.environ.get(name) for name in self.keys)
        provider = f"""
[model_providers.{SERVER}]
name = "{SERVER}"
base_url = {json.dumps(url or "https://api.openai.com/v1")}
env_key = "{KEY}"
wire_api = "responses"
request_max_retries = {RETRIES}
stream_max_retries = {RETRIES}
stream_idle_timeout_ms = {STREAM_IDLE_MS}
"""
        return f"""\
model = {json.dumps(model)}
{f'model_provider = "{SERVER}"' if own else ""}
model_catalog_json = {json.dumps(catalog)}
check_for_update_on_startup = false
approval_policy = "never"
sandbox_mode = "read-only"
web_search = "disabled"
cli_auth_credentials_store = "file"

[agents]
enabled = false

[analytics]
enabled = false

[skills.bundled]
enabled = false

[features]
{features}
{provider if own else ""}
[mcp_servers.{SERVER}]
command = {json.dumps(command)}
args = {json.dumps(arguments)}
required = true
default_tools_approval_mode = "approve"
startup_timeout_sec = {START_S}
tool_timeout_sec = {job.tool_s}
"""

    def read(self, event: Mapping[str, Any], at: float, transcript: Transcript) -> None:
        """Process an event of ``codex exec --json``."""
        kind = event.get("type")
        item = event.get("item") or {}
        if kind in ("item.started", "item.completed"):
            self._read_item(item, kind == "item.completed", at, transcript)
        elif kind == "turn.completed":
            transcript.final = True
            self._read_usage(event.get("usage") or {}, transcript)
        elif kind == "turn.failed":
            transcript.final = True
            transcript.error = shorten(str((event.get("error") or {}).get("message") or "the turn failed"))

    def _read_item(self, item: Mapping[str, Any], done: bool, at: float, transcript: Transcript) -> None:
        kind, identity = item.get("type"), str(item.get("id"))
        if kind == "agent_message" and done:
            transcript.say(at, "assistant", str(item.get("text", "")))
        elif kind in ("mcp_tool_call", "command_execution", "web_search", "file_change"):
            call = self._open.get(identity)
            if call is None:
                ours = kind == "mcp_tool_call" and item.get("server") == SERVER
                arguments = json.dumps(item.get("arguments") or item.get("command"))
                call = ToolCall(tool=str(item.get("tool") or kind), arguments=arguments, started=at, built_in=not ours)
                transcript.calls.append(call)
                self._open[identity] = call
            if done:
                result = item.get("result") or {}
                blocks = result.get("content") or [] if isinstance(result, dict) else []
                call.ended = at
                call.is_error = item.get("status") == "failed" or bool(item.get("error"))
                call.output = shorten("\n".join(str(block.get("text", "[image]")) for block in blocks))

    def _read_usage(self, usage: Mapping[str, Any], transcript: Transcript) -> None:
        cached, written = usage.get("cached_input_tokens") or 0, usage.get("cache_write_input_tokens") or 0
        reasoning = usage.get("reasoning_output_tokens") or 0
        transcript.tokens = Tokens(
            input=max(0, (usage.get("input_tokens") or 0) - cached - written),
            cached=cached,
            cache_write=written,
            output=max(0, (usage.get("output_tokens") or 0) - reasoning),
            reasoning=reasoning,
        )

    def finish(self, job: Job, transcript: Transcript) -> None:
        """Read the model, requests and, when it was stopped, tokens, which are only in its session file."""
        requests = 0
        for line in job.session_lines(".codex/sessions", "rollout-*.jsonl"):
            payload = (parse_event(line) or {}).get("payload") or {}
            if not isinstance(payload, dict):
                continue
            transcript.model = payload.get("model") or transcript.model
            if payload.get("type") == "token_count" and payload.get("info"):
                requests += 1
                self._read_usage(payload["info"].get("total_token_usage") or {}, transcript)
        transcript.requests = requests or transcript.requests


class CodexProvider(CliProvider):
    """Codex CLI with the notebook as its only tool."""

    name = "codex"
    summary = "Codex CLI, headless, with the notebook as its only tool; codex:MODEL for a model"
    adapter = CodexAdapter
