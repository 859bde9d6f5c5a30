"""The properties that neuron tasks on a real language model ask about: letters, words, categories, positions.

Each property is a `Feature` of the planted tasks over the real model's tokens, so definitions are the same: a neuron's
statistic is the variance of its activation that the feature explains (RVE), negative where the neuron is less active
where the feature is larger.

A `PropertyKind` also names the properties that are scanned: those frequent enough in 12,000 tokens to choose neurons
by. Whether one can be asked for is not decided here but measured (`measurement.TextScan`).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ground_truth.neurons.real.tokens import CONTEXT, TAGS
from scribe_suite.planting.english import TaggedText
from scribe_suite.planting.neurons.features import Feature

#: Positions that count; position 0 is the start token.
FIRST, LAST = 1, CONTEXT - 1


@dataclass(frozen=True)
class Property:
    """A property to ask for.

    Attributes:
        kind: Its kind.
        name: Its name within the kind.
    """

    kind: PropertyKind
    name: str

    @property
    def id(self) -> str:
        """``kind/name``."""
        return f"{self.kind.id}/{self.name}"

    def feature(self, vocabulary: Sequence[str]) -> Feature:
        """It over the tokens of a vocabulary.

        Args:
            vocabulary: Token id -> string.
        """
        return self.kind.feature(self.name, vocabulary)


class PropertyKind(ABC):
    """A kind of properties of text.

    Class attributes:
        id: The prefix of its properties' ids in measurements.
        candidates: Names of the properties that are scanned.
        fewest: How many properties must be suitable for the measurement to be certified.
    """

    id: ClassVar[str]
    candidates: ClassVar[tuple[str, ...]]
    fewest: ClassVar[int] = 8

    @abstractmethod
    def feature(self, name: str, vocabulary: Sequence[str]) -> Feature:
        """The property of a name over the tokens of a vocabulary.

        Args:
            name: The property's name.
            vocabulary: Token id -> string.

        Raises:
            ValueError: When there is no such property.
        """

    def properties(self) -> tuple[Property, ...]:
        """The properties that are scanned."""
        return tuple(Property(self, name) for name in self.candidates)


class Letters(PropertyKind):
    """The token starts with a letter."""

    id = "alphabet"
    candidates = tuple("abcdefhilmnoprstwy")

    def feature(self, name: str, vocabulary: Sequence[str]) -> Feature:
        """See `PropertyKind.feature`: the name is the letter."""
        return Feature(f"{self.id}/{name}", tokens=tokens_starting_with(name, vocabulary))


class Words(PropertyKind):
    """The token is a word."""

    id = "unigram"
    candidates = (
        "and", "as", "at", "be", "congress", "for", "from", "government", "more", "must", "new", "not", "our", "so",
        "that", "there", "will", "world",
    )  # fmt: skip

    def feature(self, name: str, vocabulary: Sequence[str]) -> Feature:
        """See `PropertyKind.feature`: the name is the word, in lower case."""
        return Feature(f"{self.id}/{name}", tokens=variants(name, vocabulary))


class Categories(PropertyKind):
    """The token, or the one before it, has a part-of-speech tag."""

    id = "syntax"
    candidates = (
        *(
            f"current {tag}"
            for tag in (
                "CD", "DT", "IN", "JJ", "JJR", "MD", "NN", "NNP", "NNS", "PRP", "PRP$", "VB", "VBD", "VBG", "VBN",
                "VBZ",
            )
        ),
        *(f"previous {tag}" for tag in ("CC", "CD", "DT", "IN", "PRP")),
    )  # fmt: skip

    def feature(self, name: str, vocabulary: Sequence[str]) -> Feature:  # noqa: ARG002 - tags, not tokens
        """See `PropertyKind.feature`: the name is ``current TAG`` or ``previous TAG``."""
        place, tag = name.split(" ")
        tags = frozenset([TAGS.index(tag)])
        if place == "current":
            return Feature(f"{self.id}/{name}", tags=tags)
        return Feature(f"{self.id}/{name}", previous_tags=tags)


class Shapes(PropertyKind):
    """A function of the position in the text."""

    id = "position"
    candidates = (
        "rising", "falling", "band 1-1", "band 1-2", "band 1-4", "band 1-8", "band 1-16", "band 1-32", "band 2-4",
        "band 2-8", "band 64-127",
    )  # fmt: skip
    fewest = 3

    def feature(self, name: str, vocabulary: Sequence[str]) -> Feature:  # noqa: ARG002 - positions, not tokens
        """See `PropertyKind.feature`: the name is ``rising``, ``falling`` or ``band FIRST-LAST``."""
        return Feature(f"{self.id}/{name}", profile=profile(name))


LETTERS, WORDS, CATEGORIES, SHAPES = Letters(), Words(), Categories(), Shapes()


def tokens_starting_with(letter: str, vocabulary: Sequence[str]) -> frozenset[int]:
    """Tokens whose first character, leading spaces aside, is the letter in either case."""
    return frozenset(token for token, string in enumerate(vocabulary) if string.lstrip()[:1].lower() == letter)


def variants(word: str, vocabulary: Sequence[str]) -> frozenset[int]:
    """Tokens that are the word, ignoring case and surrounding spaces."""
    return frozenset(token for token, string in enumerate(vocabulary) if string.strip().lower() == word)


def band(name: str) -> tuple[int, int] | None:
    """First and last position of ``band FIRST-LAST``; None for another shape."""
    found = re.fullmatch(r"band (\d+)-(\d+)", name)
    return (int(found[1]), int(found[2])) if found else None


def profile(name: str) -> tuple[float, ...]:
    """The value of a shape at every position from 0 on, 0 to 1.

    Raises:
        ValueError: When there is no shape of that name.
    """
    ends = band(name)
    if ends is not None:
        return tuple(float(ends[0] <= position <= ends[1]) for position in range(CONTEXT))
    ramp = tuple(max(0.0, (position - FIRST) / (LAST - FIRST)) for position in range(CONTEXT))
    if name == "rising":
        return ramp
    if name == "falling":
        return tuple(1 - value for value in ramp)
    raise ValueError(f"no shape over positions is called {name!r}")


def feature_values(
    properties: Sequence[Property], text: TaggedText, vocabulary: Sequence[str]
) -> Float[Tensor, "feature text position"]:
    """Values of all properties at all positions."""
    return torch.stack([one.feature(vocabulary).values(text) for one in properties])
