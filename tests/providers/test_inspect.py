"""How Inspect is started and understood as a provider; nothing here needs Inspect."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.notebook.endpoint import NotebookEndpoint
from scribe_suite.providers.base import Limits
from scribe_suite.providers.clis.adapter import Job
from scribe_suite.providers.clis.inspect_ai import OPTIONS, InspectAdapter, InspectProvider, beginnings, service_of
from scribe_suite.providers.clis.login import find_login
from scribe_suite.providers.failures import diagnose
from scribe_suite.providers.registry import parse_specs
from scribe_suite.providers.transcript import Transcript
from scribe_suite.untrusted_files import UntrustedFolder

USAGE = {"input": 100, "cached": 40, "cache_write": 5, "output": 30, "reasoning": 10, "cost": None}
CALL = {"id": "c1", "tool": "execute_code", "arguments": {"code": "1"}}


def answer(**changes):
    said = {"text": "", "calls": [], "stop_reason": "stop", "usage": USAGE}
    return {"type": "model", "model": "m-2026", **said, **changes}


def read(*events):
    adapter, transcript = InspectAdapter(), Transcript(cli="inspect")
    for at, event in enumerate(events):
        adapter.read(json.loads(json.dumps(event)), float(at), transcript)
    return transcript


@pytest.fixture
def job(tmp_path):
    def make(environ=(), **limits):
        chosen = Limits(**{"wall_s": 60.5, "cell_s": 5.0, **limits})
        endpoint = NotebookEndpoint(Path("/nowhere"), ("pump", "/nowhere"))
        kept = UntrustedFolder(tmp_path)
        return Job("the prompt", "openai/m", endpoint, chosen, tmp_path, kept, tmp_path, ("inspect",), dict(environ))

    return make


@pytest.mark.parametrize(
    ("model", "service", "begin"),
    [
        ("openai/gpt-5.2", "openai", ("OPENAI_",)),
        ("openai/azure/gpt-5.2", "openai", ("OPENAI_", "AZURE_", "AZUREAI_")),
        ("openai-api/my-lab/m", "my-lab", ("MY_LAB_",)),
        ("google/gemini-3-pro", "google", ("GOOGLE_", "GEMINI_")),
        ("anthropic/bedrock/claude", "anthropic", ("ANTHROPIC_", "AWS_", "BEDROCK_")),
        ("together/meta/llama", "together", ("TOGETHER_",)),
        ("grok/grok-5", "grok", ("XAI_", "GROK_")),
    ],
)
def test_variables_are_those_of_the_model_s_service(model, service, begin):
    assert service_of(model) == service
    assert beginnings(model) == begin


def test_a_key_goes_only_to_its_own_service():
    environ = {
        "OPENAI_API_KEY": "k" * 40,
        "OPENAI_BASE_URL": "http://here",
        "ANTHROPIC_API_KEY": "a" * 40,
        "INSPECT_EVAL_MAX_TOKENS": "9",
        "INSPECT_EVAL_SOLVER": "other",
    }
    access = InspectAdapter.access("openai/m", environ)
    assert access.keys == ("OPENAI_API_KEY",)
    assert access.settings == ("OPENAI_BASE_URL", *OPTIONS)
    assert "INSPECT_EVAL_SOLVER" not in access.settings
    assert find_login(InspectAdapter, environ, "openai/m").variables == ("OPENAI_API_KEY",)
    assert not find_login(InspectAdapter, environ, "mistral/m")


@pytest.mark.parametrize(("model", "needs"), [("openai/m", True), ("mockllm/model", False), ("ollama/m", False)])
def test_models_of_this_machine_need_no_key(model, needs):
    assert InspectAdapter.access(model, {}).needs_login is needs


def test_limits_and_notebook_are_given_to_inspect(job):
    made = job(turns=7, tokens=9000)
    launch = InspectAdapter().launch(made)
    argv = list(launch.argv)
    for option, value in {
        "--model": "openai/m",
        "--turn-limit": "7",
        "--token-limit": "9000",
        "--time-limit": "61",
        "--max-tool-output": "0",
    }.items():
        assert argv[argv.index(option) + 1] == value
    assert argv[:3] == ["inspect", "eval", f"{made.home}/notebook_agent.py@attempt"]
    assert json.loads((made.home / "job.json").read_text()) == {
        "prompt": "the prompt",
        "command": "pump",
        "arguments": ["/nowhere"],
        "server": "scribe",
    }
    assert launch.environment == {"INSPECT_EVAL_MAX_RETRIES": "3"}
    assert InspectAdapter().launch(job({"INSPECT_EVAL_MAX_RETRIES": "9"})).environment == {}


def test_an_attempt_becomes_a_transcript():
    transcript = read(
        {"type": "start", "version": "1"},
        {"type": "connected", "tools": 10},
        answer(text="I begin.", calls=[CALL]),
        {"type": "tool", "id": "c1", "output": "2", "is_error": True},
        answer(text="Done."),
        {"type": "end", "limit": None},
    )
    assert [message.text for message in transcript.messages] == ["I begin.", "Done."]
    (call,) = transcript.calls
    assert (call.tool, call.arguments, call.ended, call.is_error, call.output) == (
        "execute_code", '{"code": "1"}', 3.0, True, "2",
    )  # fmt: skip
    assert transcript.tokens.by_kind() == {"input": 200, "cached": 80, "cache_write": 10, "output": 40, "reasoning": 20}
    assert (transcript.model, transcript.requests, transcript.cost_usd) == ("m-2026", 2, None)
    assert diagnose(transcript, 0, "") is None


def test_a_cost_is_known_only_if_that_of_every_answer_is():
    costs = lambda *values: read(*(answer(usage={**USAGE, "cost": value}) for value in values)).cost_usd  # noqa: E731
    assert costs(0.25, 0.5) == 0.75
    assert costs(0.25, None, 0.5) is None


@pytest.mark.parametrize(
    ("events", "cause"),
    [
        ([answer(text="no", stop_reason="content_filter")], "declined"),
        ([answer(calls=[CALL]), answer(text="too long", stop_reason="model_length")], "context_overflow"),
        ([answer(calls=[CALL]), answer(stop_reason="max_tokens")], "unusable_output"),
        ([answer(calls=[CALL]), answer(stop_reason="content_filter"), answer(text="Well.")], None),
        ([answer(calls=[CALL]), {"type": "failed", "part": "agent", "status": 503}], "server_error"),
        ([answer(calls=[CALL]), {"type": "failed", "part": "agent", "status": 400}], "conversation_refused"),
        ([{"type": "failed", "part": "agent", "status": 401}], "auth_rejected"),
        ([{"type": "failed", "part": "agent", "status": 429}], "rate_limited"),
        ([{"type": "failed", "part": "agent", "message": "Connection error."}], "network"),
        ([{"type": "failed", "part": "notebook", "message": "gone"}], "mcp_not_connected"),
        ([answer(text="I can't.")], "no_tool_call"),
    ],
)  # fmt: skip
def test_what_goes_wrong_has_its_cause(events, cause):
    transcript = read({"type": "connected", "tools": 10}, *events, {"type": "end", "limit": None})
    assert diagnose(transcript, 0, "") == cause


def test_a_limit_of_inspect_s_own_is_a_limit():
    transcript = read(answer(calls=[CALL]), {"type": "end", "limit": "turn"})
    assert diagnose(transcript, 0, "") == "limit_reached"


def test_a_request_that_is_repeated_is_known_until_it_is_answered():
    transcript = read({"type": "retry", "status": 429})
    assert transcript.retrying == 429
    assert read({"type": "retry", "status": 429}, answer()).retrying is None


def test_a_model_must_be_named(monkeypatch):
    with pytest.raises(ConfigurationError, match=r"as in inspect:openai/gpt-5\.2"):
        parse_specs(["inspect"])
    assert "inspect:openai/gpt-5.2" in InspectProvider().refusal("gpt-5.2")
    assert InspectProvider().refusal("openai/gpt-5.2") is None
    monkeypatch.setenv("INSPECT_EVAL_MODEL_ARGS", "api_key=abc")
    assert "hold a key" in InspectProvider().refusal("openai/gpt-5.2")


def test_options_that_change_what_is_asked_identify_the_program(monkeypatch):
    monkeypatch.setattr("scribe_suite.providers.clis.driver.find_binary", lambda *_: ("inspect",))
    monkeypatch.setattr("scribe_suite.providers.clis.driver.version_of", lambda *_: "0.3.285")
    assert InspectProvider().program("openai/m") == "0.3.285"
    monkeypatch.setenv("INSPECT_EVAL_REASONING_EFFORT", "high")
    assert InspectProvider().program("openai/m") == "0.3.285 INSPECT_EVAL_REASONING_EFFORT=high"
