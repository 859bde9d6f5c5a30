"""Sets of tokens for the conditions of rules: those that a reader of the text could think of.

Sets by spelling (first letter, ending, length, a capital), grammatical category, and single frequent words. No set
contains marks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from string import ascii_lowercase
from typing import Literal

from scribe_suite.planting.english import TAGS, vocabulary

Kind = Literal["initial", "ending", "length", "capital", "category", "word"]

#: Endings of words.
ENDINGS = ("s", "e", "d", "t", "y", "n", "r", "l", "ed", "ing", "ly", "er", "al", "ion", "ent", "le")
#: The shortest and the longest word of each class of lengths.
LENGTHS = ((1, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 7), (8, 99))
#: Categories that no single word token has, or that a token's string does not determine.
_UNSETTLED = ("mark", "punctuation", "verb_past", "verb_participle")


@dataclass(frozen=True)
class Atom:
    """A set of tokens with something in common.

    Attributes:
        kind: The common property.
        name: The common property in words.
        tokens: Their ids.
    """

    kind: Kind
    name: str
    tokens: frozenset[int]


@cache
def atoms() -> tuple[Atom, ...]:
    """All sets, of any size."""
    return tuple(atom for atom in _every() if atom.tokens)


def _every() -> Iterator[Atom]:
    for letter in ascii_lowercase:
        yield _spelled("initial", f"word that begins with {letter}", partial(_begins, letter))
    for ending in ENDINGS:
        yield _spelled("ending", f"word that ends in {ending}", partial(_ends, ending))
    for low, high in LENGTHS:
        name = f"word of {low} letters" if low == high else f"word of {low} to {high} letters"
        yield _spelled("length", name, partial(_is_as_long, low, high))
    known = vocabulary()
    words = [token for token in range(len(known)) if known.word(token) is not None]
    capital = frozenset(token for token in words if known.strings[token].strip()[0].isupper())
    yield Atom("capital", "word with a capital", capital)
    for number, tag in enumerate(TAGS):
        if tag not in _UNSETTLED:
            yield Atom("category", tag, frozenset(token for token in words if known.tags_of(token) == {number}))
    for word in dict.fromkeys(known.word(token) for token in words):
        if word is not None:
            yield Atom("word", f"the word {word}", frozenset(known.variants(word)))


def _begins(letter: str, word: str) -> bool:
    return word.startswith(letter)


def _ends(ending: str, word: str) -> bool:
    return word.endswith(ending)


def _is_as_long(low: int, high: int, word: str) -> bool:
    return low <= len(word) <= high


def _spelled(kind: Kind, name: str, is_one: Callable[[str], bool]) -> Atom:
    known = vocabulary()
    spelled: Sequence[str | None] = [known.word(token) for token in range(len(known))]
    return Atom(kind, name, frozenset(token for token, word in enumerate(spelled) if word is not None and is_one(word)))
