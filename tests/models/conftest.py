"""A cache of its own for every test, and tiny models that tests of a module share."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import tiny


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, request) -> Path:
    """The folder ``models`` of an empty cache; not for tests of the model that the user has installed."""
    if request.node.get_closest_marker("real_models"):
        return Path()
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("SCRIBE_SUITE_CACHE", str(folder))
    return folder / "models"


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of the Llama architecture."""
    return tiny.save(tiny.llama(), tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="session")
def gpt2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of the architecture of GPT-2."""
    return tiny.save(tiny.gpt2(), tmp_path_factory.mktemp("gpt2"))
