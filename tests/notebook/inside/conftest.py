"""One notebook server and one session for each module here; tests leave the session as usable as they found it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.server import NotebookServer

from ..agent import Answer, play

Run = Callable[[str], Answer]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    with NotebookServer(NotebookConfig(tmp_path_factory.mktemp("attempt"), cell_timeout_s=60)) as server:
        yield server


@pytest.fixture(scope="module")
def session(server: NotebookServer) -> str:
    answer = play(server, lambda agent: agent.call("start_new_session", experiment_name="shared"), session=False)
    return str(answer.payload["session_id"])


@pytest.fixture
def run(server: NotebookServer, session: str) -> Iterator[Run]:
    """Runs a cell; at the end of the test the kernel must be the one that it was."""
    deaths = server.status().kernel_deaths
    yield lambda code: play(server, lambda agent: agent.run(code), session_id=session)
    status = server.status()
    assert (status.kernel_deaths, status.infrastructure_error, status.cell_timeouts) == (deaths, None, 0)
