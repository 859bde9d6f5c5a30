"""An agent's program in every way in which one can be isolated here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sandbox.launcher import Launcher
from tests.sandbox.program_tiers import WAYS, tier_of


@pytest.fixture(params=WAYS)
def launcher(request: pytest.FixtureRequest, own: Path, tmp_path: Path) -> Launcher:
    return Launcher(tier_of(request.param), own, tmp_path / "beside")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The program's own folder."""
    folder = tmp_path / "own"
    for name in ("home", "work"):
        (folder / name).mkdir(parents=True)
    (folder / "home" / "given").write_text("given")
    return folder
