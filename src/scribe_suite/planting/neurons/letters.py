"""Questions of the task ``alphabet``: which neuron fires on the tokens whose first letter is a given one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from string import ascii_lowercase

from scribe_suite.planting.english import TAGS, vocabulary
from scribe_suite.planting.neurons.features import Feature, Response
from scribe_suite.planting.neurons.plan import Question
from scribe_suite.planting.neurons.survey import survey
from scribe_suite.planting.neurons.wishes import fitting, key_wishes, plain

_FREQUENCY = (0.02, 0.12)
_NEURONS = (1, 2)
_TRIES = 40
_NEAR_MISSES = 3


def letter_question(letter: str, rng: random.Random, *, present: bool) -> Question:
    """The question for one letter, with its near misses and, if `present`, its key neurons.

    Args:
        letter: One of `suitable_letters`.
        rng: Draws.
        present: Whether the model shall have neurons of this letter at all.
    """
    bare = ask_letter(letter)
    wishes = key_wishes(bare, rng, [False] * rng.randint(*_NEURONS)) if present else []
    kinds = [
        ("and other letters", _and_others(letter, rng)),
        ("some variants", _some_variants(letter)),
        ("some categories", _some_categories(letter, rng)),
        ("after some categories", _some_contexts(letter, rng)),
    ]
    rng.shuffle(kinds)
    found = [wish for kind, candidates in kinds if (wish := fitting(bare, kind, candidates)) is not None]
    return replace(bare, wishes=(*wishes, *found[:_NEAR_MISSES]))


def ask_letter(letter: str) -> Question:
    """The question alone.

    Raises:
        ValueError: When no token starts with `letter`.
    """
    if not _tokens(letter):
        raise ValueError(f"no token starts with {letter!r}")
    return Question("alphabet", letter, letter_feature(letter), "rises")


def letter_feature(letter: str) -> Feature:
    """True on every token whose first letter, in either case, is this one."""
    return Feature(letter, tokens=_tokens(letter))


@cache
def suitable_letters() -> tuple[str, ...]:
    """Letters that neither hardly any nor very many tokens start with."""
    low, high = _FREQUENCY
    return tuple(letter for letter in ascii_lowercase if low <= survey().share(letter_feature(letter)) <= high)


@cache
def _tokens(letter: str) -> frozenset[int]:
    return frozenset(i for i in range(len(vocabulary())) if vocabulary().initial(i) == letter)


def _and_others(letter: str, rng: random.Random) -> Iterator[Response]:
    others = [other for other in suitable_letters() if other != letter]
    for _ in range(_TRIES):
        chosen = [letter, *rng.sample(others, rng.randint(1, 3))]
        yield plain(f"{letter}: and other letters", tokens=frozenset().union(*map(_tokens, chosen)))


def _some_variants(letter: str) -> Iterator[Response]:
    strings = vocabulary().strings
    upper = frozenset(i for i in _tokens(letter) if strings[i].strip()[0].isupper())
    glued = frozenset(i for i in _tokens(letter) if not strings[i].startswith(" "))
    for chosen in (upper, glued, upper | glued, upper & glued, _tokens(letter) - upper):
        yield plain(f"{letter}: some variants", tokens=chosen)


def _some_categories(letter: str, rng: random.Random) -> Iterator[Response]:
    """Only nouns with the letter, or only some other categories."""
    for _ in range(_TRIES):
        chosen = frozenset(rng.sample(range(len(TAGS)), rng.randint(1, len(TAGS) // 2)))
        yield plain(f"{letter}: some categories", tokens=_tokens(letter), tags=chosen)


def _some_contexts(letter: str, rng: random.Random) -> Iterator[Response]:
    for _ in range(_TRIES):
        chosen = frozenset(rng.sample(range(len(TAGS)), rng.randint(1, len(TAGS) // 2)))
        yield plain(f"{letter}: after some categories", tokens=_tokens(letter), previous_tags=chosen)
