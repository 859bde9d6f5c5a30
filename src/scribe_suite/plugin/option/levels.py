"""``--level``: the levels of the tasks that are run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from scribe_suite.ledger.records import ALL_LEVELS, HEADROOM_LEVELS

_MOST_DIGITS = 3


class AtLevel(Protocol):
    """A task or its facts: each has one level."""

    @property
    def level(self) -> int:
        """Its level."""
        ...

    @property
    def is_default(self) -> bool:
        """Whether this level runs when none is asked for."""
        ...

    @property
    def has_headroom(self) -> bool:
        """Whether capable agents were measured to fail at it."""
        ...


@dataclass(frozen=True)
class LevelChoice:
    """The requested levels; by default, the default levels of each task.

    Attributes:
        numbers: The numbers of the levels.
        every: Whether all levels are run.
        headroom: Whether those with headroom are run, besides those by number.
    """

    numbers: frozenset[int] = frozenset()
    every: bool = False
    headroom: bool = False

    @classmethod
    def parse(cls, text: str) -> LevelChoice:
        """Read ``all``, or a comma list of numbers and ``headroom``.

        Raises:
            ValueError: With a sentence for a person, when it is none of them.
        """
        parts = [part.strip() for part in text.split(",")]
        if parts == [ALL_LEVELS]:
            return cls(every=True)
        numbers = [part for part in parts if part != HEADROOM_LEVELS]
        for part in numbers:
            if not (part.isascii() and part.isdigit() and len(part) <= _MOST_DIGITS and int(part)):
                raise ValueError(
                    f"{text!r} names no levels: give a number from 1 on, a list such as 2,3, {HEADROOM_LEVELS!r}, or "
                    f"{ALL_LEVELS!r}."
                )
        return cls(frozenset(map(int, numbers)), headroom=len(numbers) < len(parts))

    def __str__(self) -> str:
        named = [*map(str, sorted(self.numbers)), *[HEADROOM_LEVELS] * self.headroom]
        return ALL_LEVELS if self.every else ",".join(named)

    def chooses(self, task: AtLevel) -> bool:
        """Whether a task is run."""
        if self.every or (self.headroom and task.has_headroom):
            return True
        return task.level in self.numbers if self.numbers or self.headroom else task.is_default

    def not_found(self, chosen: Iterable[AtLevel], known: Iterable[AtLevel]) -> str | None:
        """Why the run would not match the request, in one sentence, or None.

        Args:
            chosen: The tasks that are run.
            known: All tasks.
        """
        chosen = list(chosen)
        if self.headroom and not any(task.has_headroom for task in chosen):
            return f"--level {self}: no selected task has a level with headroom (docs/headroom.md)."
        missing = sorted(self.numbers - {task.level for task in chosen})
        if not missing:
            return None
        levels = sorted({task.level for task in known})
        if set(missing) <= set(levels):
            return (
                f"--level {self}: no selected task has level {_listed(missing, 'or')}, but others have; see the path, "
                "-k and --model-source."
            )
        return (
            f"--level {self}: no selected task has level {_listed(missing, 'or')}; there "
            f"{'is level' if len(levels) == 1 else 'are levels'} {_listed(levels, 'and')}."
        )


def _listed(numbers: list[int], word: str) -> str:
    *rest, last = map(str, numbers)
    return f"{', '.join(rest)} {word} {last}" if rest else last
