"""Where answers may exchange: the windows that questions are about.

A *window* is one position and a range of blocks. It is asked together with a property; the same property is asked at
the same position with windows where it is read from later, and with windows where it is not: before it has come to the
position or after it has been taken from there.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """One question: a property, and where.

    Attributes:
        name: Its name, unique in the task.
        asked: Which property is asked for, 0 or 1.
        where: The name of the position in words.
        position: Index of the token, from 0.
        layers: First and last block, inclusive.
        tried: The blocks at which methods are measured, all among `layers`.
    """

    name: str
    asked: int
    where: str
    position: int
    layers: tuple[int, int]
    tried: tuple[int, ...]

    @property
    def wording(self) -> tuple[int, int]:
        """What is the same for windows with and without something to find."""
        return self.asked, self.position
