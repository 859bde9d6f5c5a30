"""Silences warnings that code in a kernel can't act on; all others are shown.

Installed packages can't be changed from a kernel, and a task's model is a `HookedTransformer`: advice to use another
class, version or package only misleads. Users who set their own filters get all warnings back.
"""

from __future__ import annotations

import warnings
from typing import Any

#: Patterns for the beginnings of the messages, and classes.
SILENCED: tuple[tuple[str, type[Warning]], ...] = (
    (r".*\b(TransformerBridge|TransformerLens 4)\b", DeprecationWarning),  # 3.9 announces what 4.0 removes
    (r"IProgress not found", Warning),  # tqdm then draws its bar as text, which is what an agent sees best
)


def install(_kernel: Any, _given: object) -> None:
    """Filter them; after IPython, which sets filters when it starts."""
    for message, category in SILENCED:
        warnings.filterwarnings("ignore", message, category)
