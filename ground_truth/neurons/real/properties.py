"""What the neuron tasks on a real language model can ask about: letters, words, categories, shapes over the position.

Each property is a `Feature` of the planted tasks over the real model's tokens, so definitions are the same: a neuron's
statistic is the variance of its activation that the feature explains (RVE), negative where the neuron is less active
where the feature is larger.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ground_truth.neurons.real.tokens import CONTEXT, TAGS
from scribe_suite.planting.english import TaggedText
from scribe_suite.planting.neurons.features import Feature

TextTask = Literal["position", "alphabet", "syntax", "unigram"]

FIRST, LAST = 1, CONTEXT - 1
"""Positions that count; position 0 is the start token."""


@dataclass(frozen=True)
class Property:
    """One thing to ask for.

    Attributes:
        task: Whose it is.
        name: A letter, a word, ``current TAG`` or ``previous TAG``, ``rising``, ``falling`` or ``band FIRST-LAST``.
    """

    task: TextTask
    name: str

    @property
    def id(self) -> str:
        """``task/name``."""
        return f"{self.task}/{self.name}"

    def feature(self, vocabulary: Sequence[str]) -> Feature:
        """It over the tokens of a vocabulary.

        Args:
            vocabulary: Token id -> string.
        """
        match self.task:
            case "alphabet":
                return Feature(self.id, tokens=tokens_starting_with(self.name, vocabulary))
            case "unigram":
                return Feature(self.id, tokens=variants(self.name, vocabulary))
            case "syntax":
                place, tag = self.name.split(" ")
                chosen = frozenset([TAGS.index(tag)])
                if place == "current":
                    return Feature(self.id, tags=chosen)
                return Feature(self.id, previous_tags=chosen)
            case "position":
                return Feature(self.id, profile=profile(self.name))


def tokens_starting_with(letter: str, vocabulary: Sequence[str]) -> frozenset[int]:
    """Tokens whose first character, leading spaces aside, is the letter in either case."""
    return frozenset(token for token, string in enumerate(vocabulary) if string.lstrip()[:1].lower() == letter)


def variants(word: str, vocabulary: Sequence[str]) -> frozenset[int]:
    """Tokens that are the word but for case and spaces around it."""
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
