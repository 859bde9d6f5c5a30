"""A small checkout with a toy task, and a scripted model that all agent CLIs are led to, at the same time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from scribe_suite.ledger.records import AttemptRecord
from tests.plugin.conftest import TOY_SOLUTION, Run, Suite, suite
from tools.agent_clis.binaries import CLIS, Cli, argv
from tools.model_server import LoggedRequest, ModelServer, Scenario

__all__ = ["suite"]

KEY = "sk-planted-key-that-must-not-be-written-anywhere"
#: By CLI: the API it speaks, the variables that lead it to a server and log it in.
APIS: dict[Cli, Literal["anthropic", "openai", "gemini"]] = {
    "claude": "anthropic",
    "codex": "openai",
    "gemini": "gemini",
}
URLS: dict[Cli, str] = {
    "claude": "ANTHROPIC_BASE_URL",
    "codex": "OPENAI_BASE_URL",
    "gemini": "GOOGLE_GEMINI_BASE_URL",
}
KEYS: dict[Cli, str] = {"claude": "ANTHROPIC_API_KEY", "codex": "OPENAI_API_KEY", "gemini": "GEMINI_API_KEY"}
SOLUTION = TOY_SOLUTION
#: Solves the toy task.
SOLVE = "answer = dict(components=[n for n, v in values.items() if v > 10], confidence=1, summary='s')"


class Played:
    """What became of one scenario, by CLI."""

    def __init__(self, run: Run) -> None:
        self.run = run

    @property
    def records(self) -> dict[str, AttemptRecord]:
        return {record.provider: record for record in self.run.ledger.attempts}

    @property
    def outcomes(self) -> dict[str, str]:
        return {cli: record.outcome for cli, record in self.records.items()}

    @property
    def told(self) -> str:
        """For the message of an assertion."""
        return "\n".join(f"{cli}: {record.outcome} {record.reason}" for cli, record in self.records.items())

    def transcript(self, cli: str) -> dict[str, Any]:
        path = self.run.folder / "runs" / str(self.records[cli].folder) / "outputs" / "transcript.json"
        transcript: dict[str, Any] = json.loads(path.read_text())
        return transcript


class Stage:
    """Plays scenarios to the CLIs, which work on the toy task side by side.

    Attributes:
        models: The model server; its requests tell what a CLI asked.
    """

    def __init__(self, suite: Suite, models: ModelServer, patch: pytest.MonkeyPatch) -> None:
        self.suite, self.models, self._patch = suite, models, patch
        self._urls: dict[Cli, str] = {}
        for cli in CLIS:
            self.run_as(cli, *argv(cli))
            patch.setenv(KEYS[cli], KEY)

    def run_as(self, cli: Cli, *command: str) -> None:
        """Let the CLI be started by another command."""
        self._patch.setenv(f"SCRIBE_{cli.upper()}_BIN", " ".join(command))

    def set_variable(self, name: str, value: str) -> None:
        """Set a variable of the harness's environment, for this test."""
        self._patch.setenv(name, value)

    def play(self, scenario: str | Scenario, *options: str, **parameters: Any) -> Played:
        """Run the toy task with every CLI."""
        for cli in CLIS:
            self._urls[cli] = self.models.base_url(APIS[cli], scenario, **parameters)
            self._patch.setenv(URLS[cli], self._urls[cli])
        return Played(self.suite.run("--provider", ",".join(CLIS), "-n", str(len(CLIS)), *options))

    def requests(self, cli: Cli) -> list[LoggedRequest]:
        """What the CLI asked the model in the last play."""
        return self.models.requests_of(self._urls[cli])


@pytest.fixture
def stage(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with ModelServer() as models:
        yield Stage(suite, models, monkeypatch)
