"""Fixtures for tests that run submitted functions."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scribe_suite.sandbox import fork_client, runtime_folders, sandbox
from scribe_suite.sandbox.runtime_folders import short_temporary_folder
from tests.scoring.submitting import NAMESPACES


@pytest.fixture(params=["own_uid", "user_namespace"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways code is isolated: with a user id of its own where the harness is root, and in a user namespace."""
    if request.param == "user_namespace":
        monkeypatch.setattr(sandbox, "private_uid", lambda: None)
    elif not NAMESPACES.own_uid:
        pytest.skip("only root has user ids to give away")


@pytest.fixture
def short_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where sandboxes of this test are made; sockets need a short path."""
    with tempfile.TemporaryDirectory(prefix="t-", dir=short_temporary_folder()) as name:
        monkeypatch.setattr(runtime_folders, "short_temporary_folder", lambda: Path(name))
        monkeypatch.setattr(fork_client, "_servers", {})  # one of this test's own, whose folder is looked at
        yield Path(name)
        fork_client.close_shared_servers()
