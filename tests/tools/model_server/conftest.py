"""A model server that the tests of a module share; each play of a scenario is its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tools.model_server.server import ModelServer


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server
