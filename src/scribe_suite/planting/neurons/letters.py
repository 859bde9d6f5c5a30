"""Questions about first letters: which neuron fires on the tokens that start with one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from string import ascii_lowercase

from scribe_suite.planting.english import TAGS, vocabulary
from scribe_suite.planting.neurons.features import Feature, Response
from scribe_suite.planting.neurons.kinds import QuestionKind, Supply, drawn_from
from scribe_suite.planting.neurons.plan import Question
from scribe_suite.planting.neurons.survey import survey
from scribe_suite.planting.neurons.targets import key_targets, near_miss, response_to

#: How many letters with and without neurons one model is asked about.
N_LETTERS, N_ABSENT_LETTERS = 6, 2

#: Smallest and largest share of all tokens that start with a letter.
_FREQUENCY = (0.02, 0.12)
#: Fewest and most key neurons of a letter.
_NEURONS = (1, 2)
#: How many draws of a near miss of one kind are tried.
_TRIES = 40
#: Most near misses of a letter.
_NEAR_MISSES = 3


class Letters(QuestionKind):
    """Which neuron fires on the tokens that start with a letter?"""

    id = "alphabet"
    bar = 0.37  # of Gurnee et al.

    def ask(self, name: str) -> Question:
        """See `QuestionKind.ask`: the name is the letter, in lower case."""
        if not _tokens(name):
            raise ValueError(f"no token starts with {name!r}")
        return self.question(name, letter_feature(name), "rises")

    def supplies(self, rng: random.Random) -> Iterator[Supply]:
        """See `QuestionKind.supplies`: letters with neurons, then letters without."""
        letters = rng.sample(suitable_letters(), len(suitable_letters()))
        yield Supply(N_LETTERS, drawn_from(lambda letter: letter_question(letter, rng, present=True), letters))
        yield Supply(N_ABSENT_LETTERS, drawn_from(lambda letter: letter_question(letter, rng, present=False), letters))

    def possible_features(self) -> list[Feature]:
        """See `QuestionKind.possible_features`: all suitable letters."""
        return [letter_feature(letter) for letter in suitable_letters()]


LETTERS = Letters()


def letter_question(letter: str, rng: random.Random, *, present: bool) -> Question:
    """The question for one letter, with its near misses and, if `present`, its key neurons.

    Args:
        letter: One of `suitable_letters`.
        rng: Draws.
        present: Whether the model gets neurons of this letter at all.
    """
    bare = LETTERS.ask(letter)
    targets = key_targets(bare, rng, [False] * rng.randint(*_NEURONS)) if present else []
    kinds = [
        ("and other letters", _and_others(letter, rng)),
        ("some variants", _some_variants(letter)),
        ("some categories", _some_categories(letter, rng)),
        ("after some categories", _some_contexts(letter, rng)),
    ]
    rng.shuffle(kinds)
    found = [target for kind, candidates in kinds if (target := near_miss(bare, kind, candidates)) is not None]
    return replace(bare, targets=(*targets, *found[:_NEAR_MISSES]))


def letter_feature(letter: str) -> Feature:
    """True on every token whose first letter, in either case, is this one."""
    return Feature(letter, tokens=_tokens(letter))


@cache
def suitable_letters() -> tuple[str, ...]:
    """Letters with which neither too few nor too many tokens start."""
    low, high = _FREQUENCY
    return tuple(letter for letter in ascii_lowercase if low <= survey().share(letter_feature(letter)) <= high)


@cache
def _tokens(letter: str) -> frozenset[int]:
    return frozenset(i for i in range(len(vocabulary())) if vocabulary().initial(i) == letter)


def _and_others(letter: str, rng: random.Random) -> Iterator[Response]:
    others = [other for other in suitable_letters() if other != letter]
    for _ in range(_TRIES):
        chosen = [letter, *rng.sample(others, rng.randint(1, 3))]
        yield response_to(f"{letter}: and other letters", tokens=frozenset().union(*map(_tokens, chosen)))


def _some_variants(letter: str) -> Iterator[Response]:
    strings = vocabulary().strings
    upper = frozenset(i for i in _tokens(letter) if strings[i].strip()[0].isupper())
    glued = frozenset(i for i in _tokens(letter) if not strings[i].startswith(" "))
    for chosen in (upper, glued, upper | glued, upper & glued, _tokens(letter) - upper):
        yield response_to(f"{letter}: some variants", tokens=chosen)


def _some_categories(letter: str, rng: random.Random) -> Iterator[Response]:
    """Only nouns with the letter, or only some other categories."""
    for _ in range(_TRIES):
        chosen = frozenset(rng.sample(range(len(TAGS)), rng.randint(1, len(TAGS) // 2)))
        yield response_to(f"{letter}: some categories", tokens=_tokens(letter), tags=chosen)


def _some_contexts(letter: str, rng: random.Random) -> Iterator[Response]:
    for _ in range(_TRIES):
        chosen = frozenset(rng.sample(range(len(TAGS)), rng.randint(1, len(TAGS) // 2)))
        yield response_to(f"{letter}: after some categories", tokens=_tokens(letter), previous_tags=chosen)
