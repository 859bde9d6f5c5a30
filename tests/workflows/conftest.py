"""A checkout for steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workflows.running import Checkout, equip


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return equip(tmp_path)
