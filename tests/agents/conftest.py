"""A small checkout with a toy task, and a scripted model that an agent CLI is led to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.agents.binaries import argv
from tests.model_server import ModelServer, Scenario
from tests.plugin.conftest import TOY_SOLUTION, Run, Suite, suite

__all__ = ["suite"]

KEY = "sk-planted-key-that-must-not-be-written-anywhere"
#: By CLI: the API it speaks, the variables that lead it to a server and log it in.
APIS = {"claude": "anthropic", "codex": "openai", "gemini": "gemini"}
URLS = {"claude": "ANTHROPIC_BASE_URL", "codex": "OPENAI_BASE_URL", "gemini": "GOOGLE_GEMINI_BASE_URL"}
KEYS = {"claude": "ANTHROPIC_API_KEY", "codex": "OPENAI_API_KEY", "gemini": "GEMINI_API_KEY"}
SOLUTION = TOY_SOLUTION


class Stage:
    """Plays scenarios to a CLI that works on the toy task.

    Attributes:
        models: The model server; its requests tell what the CLI asked.
    """

    def __init__(self, cli: str, suite: Suite, models: ModelServer, patch: pytest.MonkeyPatch) -> None:
        self.cli, self.suite, self.models = cli, suite, models
        self._patch = patch
        patch.setenv(f"SCRIBE_{cli.upper()}_BIN", " ".join(argv(cli)))
        patch.setenv(KEYS[cli], KEY)

    def play(self, scenario: str | Scenario, *options: str, **parameters: object) -> Run:
        """Run the toy task with the CLI."""
        self._patch.setenv(URLS[self.cli], self.models.base_url(APIS[self.cli], scenario, **parameters))
        return self.suite.run("--provider", self.cli, *options)


@pytest.fixture(params=sorted(APIS))
def stage(request: pytest.FixtureRequest, suite: Suite, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with ModelServer() as models:
        yield Stage(str(request.param), suite, models, monkeypatch)
