"""The random choices of an instance with a planted circuit, which depend only on its seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from scribe_suite.planting.symmetries import Symmetry, draw_symmetry
from scribe_suite.seeds import derive_seed


def generator(task_id: str, seed: int, purpose: str) -> torch.Generator:
    """Random numbers for one purpose, such as ``held out``."""
    return torch.Generator().manual_seed(derive_seed(seed, task_id, purpose))


def symmetry_of(task_id: str, config: Mapping[str, Any], seed: int) -> Symmetry:
    """The symmetry from a base model, whose configuration is given, to the instance of `seed`."""
    return draw_symmetry(config, derive_seed(seed, task_id, "symmetry"), labels="independent")
