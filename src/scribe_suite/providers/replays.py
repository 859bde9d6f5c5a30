"""An agent's actions on its notebooks, step by step, for a replay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

#: Name of the provider that replays recorded attempts.
REPLAY = "replay"

Action = Literal["start", "resume", "run", "edit", "note", "submit", "close"]


@dataclass(frozen=True)
class Step:
    """One action of an agent on a notebook.

    Attributes:
        notebook: Name of the recorded notebook.
        action: The kind of action.
        text: Code, Markdown, or the name of the submitted variable.
        cell: For an edit, the index among the code cells, from 0.
    """

    notebook: str
    action: Action
    text: str = ""
    cell: int = -1


@dataclass(frozen=True)
class Replay:
    """The recorded attempt that a replay repeats.

    Attributes:
        steps: The steps on all notebooks, in chronological order.
        answer: The scored answer, or None when there was no valid one.
    """

    steps: tuple[Step, ...]
    answer: Mapping[str, Any] | None
