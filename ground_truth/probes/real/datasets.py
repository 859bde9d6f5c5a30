"""The lists that statements on a real model are made from: cities, countries, facts, words (``data/*.json``)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).with_name("data")


@cache
def dataset(name: str) -> Any:
    """The content of ``data/<name>.json``."""
    return json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
