"""What the lock says of providers and limits, found out without starting an agent."""

import hashlib

from scribe_suite.plugin.controller.run_lock import provider_facts
from scribe_suite.providers.registry import ProviderSpec


def program(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_a_cli_is_known_by_its_version_and_the_model_asked_for(tmp_path, monkeypatch):
    named = program(tmp_path / "claude", "#!/bin/sh\necho '9.8.7 (Claude Code)'\n")
    monkeypatch.setenv("SCRIBE_CLAUDE_BIN", str(named))
    facts = provider_facts(ProviderSpec("claude", "opus"))
    assert facts["model"] == "opus"
    assert facts["program"] == "9.8.7 (Claude Code)"
    assert facts["package"].startswith("scribe-suite ")


def test_a_cli_that_is_not_there_is_null(monkeypatch):
    monkeypatch.delenv("SCRIBE_CODEX_BIN", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    facts = provider_facts(ProviderSpec("codex"))
    assert (facts["model"], facts["program"]) == (None, None)


def test_a_command_is_known_by_its_file(tmp_path):
    named = program(tmp_path / "agent", "#!/bin/sh\n")
    facts = provider_facts(ProviderSpec("command", str(named)))
    assert facts["program"] == f"sha256 {hashlib.sha256(named.read_bytes()).hexdigest()}"
    assert provider_facts(ProviderSpec("command", str(tmp_path / "gone")))["program"] is None


def test_a_built_in_provider_is_the_suite_itself():
    assert provider_facts(ProviderSpec("oracle"))["program"] is None
