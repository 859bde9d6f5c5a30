"""A person's attempt on a toy notebook, without a run around it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from scribe_suite.notebook.config import NotebookConfig, SubmitVerdict
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.providers.base import Limits
from scribe_suite.providers.builtin.human.link import connected
from scribe_suite.providers.builtin.human.sitting import Sitting
from scribe_suite.providers.clock import AttemptClock
from scribe_suite.untrusted_files import UntrustedFolder
from tests.plugin.conftest import suite

__all__ = ["suite"]

PROMPT = "# The question\n\nWhich numbers?\n\n<script>alert(1)</script>\n"


@pytest.fixture(scope="session")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    """A notebook that takes every answer but one."""
    config = NotebookConfig(
        tmp_path_factory.mktemp("attempt"), setup_code="values = [3, 11]", cell_timeout_s=20, max_sessions=20
    )
    with NotebookServer(config, lambda text: SubmitVerdict("refuse" not in text, "noted")) as server:
        yield server


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    folder = tmp_path / "outputs"
    folder.mkdir()
    return folder


@contextlib.asynccontextmanager
async def sitting_at(
    notebook: NotebookServer, outputs: Path, limits: Limits, clock: AttemptClock
) -> AsyncIterator[Sitting]:
    async with connected(notebook.endpoint.socket_path) as link:
        with UntrustedFolder(outputs) as folder:
            yield Sitting(link, clock, PROMPT, limits, folder, "human:terminal")


@pytest.fixture
def sit(notebook: NotebookServer, outputs: Path) -> Callable[..., Any]:
    """Runs a scenario with a sitting."""

    def run(scenario: Callable[[Sitting], Coroutine[Any, Any, Any]], wall_s: float = 600.0) -> Any:
        async def work() -> Any:
            clock = AttemptClock()
            async with sitting_at(notebook, outputs, Limits(wall_s, 20.0), clock) as sitting:
                return await asyncio.wait_for(scenario(sitting), 60)

        return asyncio.run(work())

    return run
