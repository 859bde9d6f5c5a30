"""Opaque names for tokens, without meaning outside their model."""

from __future__ import annotations

import random
import string


def opaque_names(count: int, rng: random.Random) -> list[str]:
    """`count` different names such as ``qk7d``."""
    names: list[str] = []
    while len(names) < count:
        first, second, last = rng.choices(string.ascii_lowercase, k=3)
        name = f"{first}{second}{rng.randrange(10)}{last}"
        if name not in names:
            names.append(name)
    return names
