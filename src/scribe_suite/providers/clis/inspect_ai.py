"""Inspect (inspect_ai): any model that it knows, in its own `react` agent, with the notebook as its only tool.

Inspect runs in a process and, if the user likes, in an environment of its own: the program ``inspect`` is found on
PATH, through its variable, or beside the Python that runs the suite. Like every CLI it is led by its command line and
tells events (`inside/notebook_agent.py`); requests, retries, prompt caching and counting of tokens are Inspect's.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scribe_suite.providers.clis.adapter import SERVER, Access, Adapter, Job, Launch
from scribe_suite.providers.clis.driver import CliProvider
from scribe_suite.providers.registry import WITH_ARGUMENT
from scribe_suite.providers.transcript import Tokens, ToolCall, Transcript, shorten

_PROGRAM = Path(__file__).parent / "inside" / "notebook_agent.py"
#: Inspect's own variables that a user may set: how a model is asked. All others would change what is run.
_PREFIX = "INSPECT_EVAL_"
OPTIONS = tuple(
    f"{_PREFIX}{name}"
    for name in (
        "MODEL_ARGS", "MAX_RETRIES", "TIMEOUT", "ATTEMPT_TIMEOUT", "STREAM_IDLE_TIMEOUT", "MAX_TOKENS", "TEMPERATURE",
        "TOP_P", "TOP_K", "SEED", "FREQUENCY_PENALTY", "PRESENCE_PENALTY", "PARALLEL_TOOL_CALLS", "CACHE_PROMPT",
        "VERBOSITY", "EFFORT", "REASONING_EFFORT", "REASONING_MODE", "REASONING_TOKENS", "REASONING_SUMMARY",
        "REASONING_HISTORY",
    )
)  # fmt: skip
#: What holds where the user has not set it. Inspect by itself repeats a request for as long as the attempt lasts.
DEFAULTS: Mapping[str, str] = {f"{_PREFIX}MAX_RETRIES": "3"}
#: Service, as the first or second part of a model's name -> beginnings of the names of its variables, where they are
#: not the service's own name in capitals.
_BEGINNINGS: Mapping[str, tuple[str, ...]] = {
    "azure": ("AZURE_", "AZUREAI_"),
    "azureai": ("AZURE_", "AZUREAI_"),
    "bedrock": ("AWS_", "BEDROCK_"),
    "google": ("GOOGLE_", "GEMINI_"),
    "grok": ("XAI_", "GROK_"),
    "hf": ("HF_",),
    "hf-inference-providers": ("HF_",),
    "litellm-proxy": ("LITELLM_",),
    "meta": ("META_", "MODEL_API_"),
    "sagemaker": ("AWS_",),
    "vertex": ("GOOGLE_", "VERTEX_", "ANTHROPIC_VERTEX_"),
}
#: Ways to a service that are named before it.
_GENERIC = ("openai-api", "openai-api-completions")
#: Parts of a model's name that say by whom it is run, after that of its maker.
_HOSTS = ("azure", "bedrock", "vertex")
#: Services that may need no key: on this machine, or none at all.
_WITHOUT_KEY = frozenset(["mockllm", "none", "ollama", "vllm", "sglang", "hf", "llama-cpp-python", "transformer_lens"])
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
#: What an answer's stop reason says of the agent, in words that `failures` knows.
_STOPPED: Mapping[str, str] = {
    "model_length": "The conversation is longer than the model's context window",
    "content_filter": "The content filter of the service stopped the answer",
    "max_tokens": "The answer was cut off at max_tokens",
}


class InspectAdapter(Adapter):
    """Inspect."""

    title = "Inspect"
    program = "inspect"
    variable = "SCRIBE_INSPECT_BIN"
    keys = ()
    config_variable = "INSPECT_CACHE_DIR"
    login = "set the key of the model's service, such as OPENAI_API_KEY"
    in_environments = True

    def __init__(self) -> None:
        self._open: dict[str, ToolCall] = {}
        self._cost: float | None = 0.0

    @classmethod
    def access(cls, model: str | None, environ: Mapping[str, str]) -> Access:
        """Variables of the model's service only, by the beginnings of their names."""
        service = service_of(model or "")
        begin = beginnings(model or "")
        theirs = [name for name in environ if name.startswith(begin)]
        keys = tuple(name for name in theirs if _SECRET.search(name))
        settings = tuple(name for name in (*theirs, *OPTIONS) if name not in keys)
        return Access(keys, settings, needs_login=model is not None and service not in _WITHOUT_KEY)

    def launch(self, job: Job) -> Launch:
        """One sample, scored by nobody: no display, no server for other programs, nothing of the tools cut off."""
        command, *arguments = job.endpoint.pump_argv
        program = {"prompt": job.prompt, "command": command, "arguments": arguments, "server": SERVER}
        job.kept.write(_PROGRAM.name, [_PROGRAM.read_bytes()])
        job.kept.write("job.json", [json.dumps(program).encode()])
        argv = [*job.binary, "eval", f"{job.home / _PROGRAM.name}@attempt", "--model", str(job.model)]
        argv += ["--display", "none", "--log-level", "warning", "--no-score", "--ctl-server", "false"]
        argv += ["--log-dir", str(job.home / "logs"), "--log-format", "json", "--no-log-realtime", "--no-log-samples"]
        # the notebook shortens what it replies; a second cut would hide how to see the rest
        argv += ["--max-tool-output", "0", "--time-limit", str(math.ceil(job.limits.wall_s))]
        if job.limits.turns is not None:
            argv += ["--turn-limit", str(job.limits.turns)]
        if job.limits.tokens is not None:
            argv += ["--token-limit", str(job.limits.tokens)]
        return Launch(tuple(argv), {name: text for name, text in DEFAULTS.items() if not job.environ.get(name)})

    def read(self, event: Mapping[str, Any], at: float, transcript: Transcript) -> None:
        """Process an event of `inside.notebook_agent`."""
        kind = event.get("type")
        if kind == "connected":
            transcript.connected = True
            transcript.tools_offered = bool(event.get("tools"))
        elif kind == "model":
            self._read_answer(event, at, transcript)
        elif kind == "tool":
            ended = self._open.pop(str(event.get("id")), None)
            if ended is not None:
                ended.ended, ended.is_error = at, bool(event.get("is_error"))
                ended.output = shorten(str(event.get("output", "")))
        elif kind == "retry":
            status = event.get("status")
            transcript.retrying = status if isinstance(status, int) else None
        elif kind == "failed":
            self._read_failure(event, at, transcript)
        elif kind == "end":
            transcript.final = True
            transcript.limit = event.get("limit") is not None

    def _read_answer(self, event: Mapping[str, Any], at: float, transcript: Transcript) -> None:
        if event.get("error"):
            return  # repeated by Inspect, or told as the agent's failure
        stopped = str(event.get("stop_reason"))
        calls = event.get("calls") or []
        text = str(event.get("text", ""))
        # a service's message about a conversation that is too long comes as an answer
        transcript.say(at, "cli" if stopped == "model_length" else "assistant", text)
        transcript.requests += 1
        transcript.retrying = None
        transcript.model = event.get("model") or transcript.model
        for call in calls:
            made = ToolCall(tool=str(call.get("tool")), arguments=json.dumps(call.get("arguments")), started=at)
            transcript.calls.append(made)
            self._open[str(call.get("id"))] = made
        # each answer decides anew: after a refusal Inspect asks again
        said = _STOPPED.get(stopped) if not calls else None
        transcript.error = None if said is None else shorten(f"{said}: {text}" if text else said)
        self._count(event.get("usage"), transcript)

    def _count(self, usage: Mapping[str, Any] | None, transcript: Transcript) -> None:
        used = usage or {}
        reasoning = used.get("reasoning") or 0
        transcript.tokens = (transcript.tokens or Tokens()) + Tokens(
            input=used.get("input") or 0,
            cached=used.get("cached") or 0,
            cache_write=used.get("cache_write") or 0,
            output=max(0, (used.get("output") or 0) - reasoning),
            reasoning=reasoning,
        )
        cost = used.get("cost")
        self._cost = None if cost is None or self._cost is None else self._cost + cost
        transcript.cost_usd = self._cost

    def _read_failure(self, event: Mapping[str, Any], at: float, transcript: Transcript) -> None:
        said = f"{event.get('exception')}: {event.get('message')}"
        if event.get("part") == "notebook":
            transcript.connected = False
            transcript.say(at, "cli", said)
            return
        status = event.get("status")
        transcript.status = status if isinstance(status, int) else None
        transcript.error = shorten(said)


class InspectProvider(CliProvider):
    """Inspect's `react` agent with the notebook as its only tool."""

    name = "inspect"
    summary = "inspect:SERVICE/MODEL runs any model of Inspect in its react agent, with the notebook as its only tool"
    adapter = InspectAdapter

    def program(self, model: str | None) -> str | None:
        """Inspect's version, and the user's options, which change what the model is asked."""
        version = super().program(model)
        options = [f"{name}={os.environ[name]}" for name in OPTIONS if os.environ.get(name)]
        return version if version is None else " ".join([version, *options])

    def refusal(self, model: str | None) -> str | None:
        """Why a model can't be run: it has no service, or its key is where a ledger would show it."""
        if model is None or "/" not in model:
            return f"Name a service and a model of Inspect, as in {WITH_ARGUMENT[self.name]}."
        if _SECRET.search(os.environ.get(f"{_PREFIX}MODEL_ARGS", "")):
            return (
                f"{_PREFIX}MODEL_ARGS seems to hold a key, which would get into the ledger: set the service's variable."
            )
        return None


def service_of(model: str) -> str:
    """The service of a model's name: its first part, or the second after a way that leads to several services."""
    first, _, rest = model.partition("/")
    return rest.partition("/")[0] if first in _GENERIC else first


def beginnings(model: str) -> tuple[str, ...]:
    """How the names of the variables of a model's service begin."""
    service = service_of(model)
    host = model.split("/")[1] if model.count("/") > 1 else ""
    named = [service, host] if host in _HOSTS else [service]
    usual = ((f"{one.upper().replace('-', '_')}_",) for one in named)
    return tuple(text for one, own in zip(named, usual, strict=True) for text in _BEGINNINGS.get(one, own) if one)
