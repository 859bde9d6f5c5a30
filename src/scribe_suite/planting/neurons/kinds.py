"""Kinds of questions for which neurons can be planted, each with its bar and its supply of questions.

A kind lives in one module with its features (`words`, `letters`, ...). Tasks name the kind that they ask about; the
planter (`draw`) and the certificate are handed kinds and know none of them by name.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, TypeVar

from scribe_suite.planting.frozen import Check
from scribe_suite.planting.neurons.features import Feature
from scribe_suite.planting.neurons.plan import Direction, Question

if TYPE_CHECKING:
    from scribe_suite.planting.neurons.evidence import Evidence

#: How often a question of one name is drawn before the next name is tried, since its targets may conflict with others.
TRIES = 4

_Name = TypeVar("_Name")


@dataclass(frozen=True)
class Supply:
    """Questions to choose from.

    Attributes:
        wanted: How many of them are planted in one model.
        candidates: Functions that draw a question each, in the order in which they are tried.
    """

    wanted: int
    candidates: Iterator[Callable[[], Question]]


class QuestionKind(ABC):
    """A kind of questions.

    Class attributes:
        id: The prefix of its questions' ids, in plans and in the keys of frozen models.
        bar: Variance explained (RVE) from which a neuron is an answer.
    """

    id: ClassVar[str]
    bar: ClassVar[float]

    @abstractmethod
    def ask(self, name: str) -> Question:
        """The question of a name as a key stores it, without targets.

        Raises:
            ValueError: When there is no question of that name.
        """

    @abstractmethod
    def supplies(self, rng: random.Random) -> Iterator[Supply]:
        """What the questions of one model are chosen from; every supply is used up to `wanted` before the next is made.

        Args:
            rng: Draws, for the supplies as well as for the questions that come from them.
        """

    @abstractmethod
    def possible_features(self) -> list[Feature]:
        """The features of all possible questions, or of a fair sample, on which controls are tried."""

    def further_checks(self, evidence: Evidence) -> Iterator[Check]:  # noqa: ARG002 - for those that override it
        """Checks on the questions of this kind, besides those that all kinds have."""
        return iter(())

    def question(
        self, name: str, feature: Feature, direction: Direction, read_before: frozenset[int] | None = None
    ) -> Question:
        """A question of this kind without targets; see `Question`."""
        return Question(self.id, name, feature, direction, self.bar, read_before=read_before)


def drawn_from(
    draw: Callable[[_Name], Question], names: Iterable[_Name], tries: int = TRIES
) -> Iterator[Callable[[], Question]]:
    """Candidates of a supply: for one name after the other, a few draws of its question.

    Args:
        draw: Draws a question of a name.
        names: In the order in which they are tried.
        tries: Draws per name.
    """
    return (partial(draw, name) for name in names for _ in range(tries))
