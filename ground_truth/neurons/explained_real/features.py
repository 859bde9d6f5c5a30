"""The inputs of fitted models at a position: the last tokens, their spelling, and the words of a window.

A position has a fixed number of slots. Each contains the number of a feature, or 0 for one that is too rare.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

#: Number of places with separate features, and of places in the window before them.
PLACES, WINDOW = range(4), range(4, 10)
#: Pairs of a property of the current token and one of the token before: words, endings, shapes, by their slots.
PAIRS = ((1, 1), (2, 2), (1, 3), (3, 1), (3, 3))
#: Minimum count of a feature.
FEWEST = 3


def shape_of(string: str) -> str:
    """The shape of a token: a leading space, its first character, its length."""
    bare = string.strip()
    if not bare:
        kind = "blank"
    elif bare[0].isdigit():
        kind = "digit"
    elif bare[0].isalpha():
        kind = "capitals" if bare.isupper() and len(bare) > 1 else "capital" if bare[0].isupper() else "lower"
    else:
        kind = bare[0]
    return f"{'_' if string[:1] == ' ' else ''}{kind}{min(len(bare), 8)}"


def described(string: str) -> tuple[str, ...]:
    """The features of one token, in the order of their slots: itself, its word, its ending, its shape."""
    word = string.strip().lower()
    return f"t{string}", f"w{word}", f"e{word[-3:]}" if len(word) > 4 else f"e{word[-2:]}$", f"s{shape_of(string)}"


@dataclass(frozen=True)
class Features:
    """The numbering of features.

    Attributes:
        known: Feature -> its number, from 1 on.
        strings: Token id -> string.
    """

    known: dict[tuple[int, str], int]
    strings: Sequence[str]

    @classmethod
    def seen_in(cls, tokens: Int[np.ndarray, "text position"], strings: Sequence[str]) -> Features:
        """The features that are frequent enough in texts."""
        counts: Counter[tuple[int, str]] = Counter()
        for row in tokens.tolist():
            for at in range(1, len(row)):
                counts.update(_of(row, at, strings))
        known = sorted(feature for feature, count in counts.items() if count >= FEWEST)
        return cls({feature: number for number, feature in enumerate(known, 1)}, strings)

    def numbers(self, tokens: Int[np.ndarray, "text position"]) -> Int[np.ndarray, "positions slot"]:
        """The features of every position, texts one below the other, without position 0."""
        return np.asarray(
            [
                [self.known.get(feature, 0) for feature in _of(row, at, self.strings)]
                for row in tokens.tolist()
                for at in range(1, len(row))
            ]
        )

    def __len__(self) -> int:
        return len(self.known) + 1


def _of(row: Sequence[int], at: int, strings: Sequence[str]) -> Iterator[tuple[int, str]]:
    for place in PLACES:
        found = described(strings[row[at - place]]) if at >= place else ("t", "w", "e", "s")
        yield from ((place, one) for one in found)
    for place in WINDOW:
        # one feature for the whole window: the word's place in it does not matter
        yield -1, strings[row[at - place]].strip().lower() if at >= place else ""
    yield -2, str(min(at.bit_length(), 5))
    # pairs: joint features of the current token and the one before
    here, before = (described(strings[row[place]]) for place in (at, at - 1))
    for first, second in PAIRS:
        yield -3, f"{here[first]}|{before[second]}"
