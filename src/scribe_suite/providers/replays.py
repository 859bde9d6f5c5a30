"""An agent's actions on its notebooks, step by step, for a replay to repeat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

#: Name of the provider that replays recorded attempts.
REPLAY = "replay"

Action = Literal["start", "resume", "run", "edit", "note", "submit", "close"]


@dataclass(frozen=True)
class Step:
    """One thing an agent did to a notebook.

    Attributes:
        notebook: Name of the recorded notebook.
        action: What it did.
        text: Code, Markdown, or the name of the submitted variable.
        cell: For an edit, the index among the code cells, from 0.
    """

    notebook: str
    action: Action
    text: str = ""
    cell: int = -1


@dataclass(frozen=True)
class Replay:
    """What a replay does again: a recorded attempt.

    Attributes:
        steps: In the order of their times, over all its notebooks.
        answer: What was scored, or None when there was no valid answer.
    """

    steps: tuple[Step, ...]
    answer: Mapping[str, Any] | None
