"""Notebook servers that the tests of a module share; each test has sessions of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scribe_suite.notebook.config import NotebookConfig, SubmitVerdict
from scribe_suite.notebook.server import NotebookServer

from .agent import play


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("attempt")


@pytest.fixture(scope="module")
def submitted() -> list[str]:
    return []


@pytest.fixture(scope="module")
def server(folder: Path, submitted: list[str]) -> Iterator[NotebookServer]:
    def judge(text: str) -> SubmitVerdict:
        submitted.append(text)
        return SubmitVerdict("refuse me" not in text, "noted")

    config = NotebookConfig(
        folder,
        files={"data/points.txt": b"1 2 3\n"},
        setup_code="loaded = open('data/points.txt').read()\nprint('ready')",
        cell_timeout_s=10,
        interrupt_grace_s=2,
        max_sessions=4,
    )
    with NotebookServer(config, judge) as server:
        yield server


@pytest.fixture(scope="module")
def shared(server: NotebookServer) -> str:
    """A session for tests that leave it as usable as they found it; the agent keeps it open."""
    answer = play(server, lambda agent: agent.call("start_new_session", experiment_name="shared"), session=False)
    return str(answer.payload["session_id"])
