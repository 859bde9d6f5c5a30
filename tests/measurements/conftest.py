"""A cache of its own for every test, with one tiny converted model in it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from scribe_suite.models.conversion import convert
from scribe_suite.models.spec import parse
from tests.models import tiny


@pytest.fixture(autouse=True)
def threads():
    """`measure` sets the number of threads of the process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A cache with a converted model, and the model's specification."""
    folder = tiny.save(tiny.llama(), tmp_path_factory.mktemp("llama"))
    cache = tmp_path_factory.mktemp("cache")
    spec = f"path:{folder}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCRIBE_SUITE_CACHE", str(cache))
        convert(parse(spec), lambda _done, _state: None)
    return cache, spec


@pytest.fixture
def spec(converted: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The model's specification; what is measured goes into a folder of the test."""
    cache, named = converted
    own = tmp_path / "cache"
    own.mkdir()
    (own / "models").symlink_to(cache / "models")
    monkeypatch.setenv("SCRIBE_SUITE_CACHE", str(own))
    return named
