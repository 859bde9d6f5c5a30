"""Where answers may exchange: the windows that questions are about.

A *window* is one position, a range of blocks and the sites that are allowed. It is asked together with a property; the
same property is asked at the same position with windows where exchanges move it, and with windows where they don't:
before it has come to the position, or where only what single layers write is exchanged and none of them writes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from scribe_suite.scoring.crossed_prompts import SITES, Site


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
        sites: The sites at which exchanges may be made; methods are measured at the last of them.
    """

    name: str
    asked: int
    where: str
    position: int
    layers: tuple[int, int]
    tried: tuple[int, ...]
    sites: tuple[Site, ...] = SITES

    @property
    def wording(self) -> tuple[int, int]:
        """What is the same for windows with and without something to find."""
        return self.asked, self.position
