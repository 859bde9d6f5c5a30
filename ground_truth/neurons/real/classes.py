"""Classes of tokens that ``neurons/prediction_real`` can ask for, by what their strings look like.

A class is a set of token ids; its description determines them in the vocabulary.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor


@dataclass(frozen=True)
class TokenClass:
    """A class.

    Attributes:
        name: Its name in records.
        description: After "tokens that ..."; exact.
        holds: Whether a token's string belongs to it.
    """

    name: str
    description: str
    holds: Callable[[str], bool]

    def members(self, vocabulary: Sequence[str]) -> Bool[Tensor, " token"]:
        """The tokens of a vocabulary that belong to it."""
        return torch.tensor([self.holds(one) for one in vocabulary])


def _starting_with(letter: str) -> TokenClass:
    return TokenClass(
        f"starts with {letter}",
        f'start with the letter "{letter}" in either case, leading spaces aside',
        lambda one: one.lstrip()[:1].lower() == letter,
    )


def _capital(letter: str) -> TokenClass:
    return TokenClass(
        f"starts with {letter.upper()}",
        f'start with the capital letter "{letter.upper()}", leading spaces aside',
        lambda one: one.lstrip()[:1] == letter.upper(),
    )


def _ending_in(ending: str) -> TokenClass:
    return TokenClass(
        f"ends in {ending}",
        f'are a space followed by letters only, of which the last are "{ending}"',
        lambda one: one[:1] == " " and one[1:].isalpha() and one.endswith(ending),
    )


def _starting_as(start: str) -> TokenClass:
    return TokenClass(
        f"starts as {start}",
        f'are a space followed by letters only, of which the first are "{start}"',
        lambda one: one.startswith(f" {start}") and one[1:].isalpha(),
    )


_SHAPES = (
    TokenClass(
        "all capitals",
        "consist of two or more letters, all of them capitals, leading and trailing spaces aside",
        lambda one: len(one.strip()) > 1 and one.strip().isalpha() and one.strip().isupper(),
    ),
    TokenClass(
        "capitalised",
        "start with a capital letter, leading spaces aside",
        lambda one: one.lstrip()[:1].isupper(),
    ),
    TokenClass(
        "space and capital",
        "are a space followed at once by a capital letter, and whatever comes then",
        lambda one: one[:1] == " " and one[1:2].isupper(),
    ),
    TokenClass("leading space", "start with a space", lambda one: one[:1] == " "),
    TokenClass(
        "continues a word",
        "start with a lower-case letter and no space, as pieces within words do",
        lambda one: one[:1].islower(),
    ),
    TokenClass(
        "marks",
        "have no letter or digit and are not all white space",
        lambda one: bool(one.strip()) and not any(character.isalnum() for character in one),
    ),
    TokenClass("line break", "contain a line break", lambda one: "\n" in one),
    TokenClass("digits", "consist of digits, spaces aside", lambda one: one.strip().isdigit()),
    TokenClass(
        "two characters", "have exactly two characters, spaces around them aside", lambda one: len(one.strip()) == 2
    ),
)

CLASSES: tuple[TokenClass, ...] = (
    *_SHAPES,
    *map(_starting_with, string.ascii_lowercase),
    *map(_capital, string.ascii_lowercase),
    *map(_ending_in, ("s", "ed", "ing", "ly", "tion", "al", "ity", "ment", "er", "ies", "est", "able")),
    *map(_starting_as, ("un", "re", "in", "st", "con", "dis", "pre", "ex", "inter")),
)


def class_named(name: str) -> TokenClass:
    """The class of a name.

    Raises:
        ValueError: When there is none.
    """
    found = next((one for one in CLASSES if one.name == name), None)
    if found is None:
        raise ValueError(f"no class of tokens is called {name!r}")
    return found
