"""Questions about categories: which neurons show that the current or the previous token is of one category."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from string import ascii_lowercase
from typing import Literal

from scribe_suite.planting.english import TAGS, vocabulary
from scribe_suite.planting.neurons.features import Feature, Response
from scribe_suite.planting.neurons.kinds import QuestionKind, Supply, drawn_from
from scribe_suite.planting.neurons.plan import Question, Target
from scribe_suite.planting.neurons.survey import survey
from scribe_suite.planting.neurons.targets import key_targets, near_miss, response_to

Place = Literal["current", "previous"]
_PLACES: tuple[Place, ...] = ("current", "previous")

#: How many categories of the current token one model is asked about, and as many of the previous one.
N_CATEGORIES = 3

#: Smallest and largest share of a category among all tokens.
_FREQUENCY = (0.015, 0.15)
#: Fewest and most key neurons of a category.
_NEURONS = (2, 3)
#: How many of the key neurons are silent on the category and active elsewhere.
_SILENT = 0.35
#: Categories that are not words.
_NEVER = ("punctuation", "mark")
#: How many draws of a near miss of one kind are tried.
_TRIES = 40


class Categories(QuestionKind):
    """Which neurons show that the current token, or the previous one, is of a category?"""

    id = "syntax"
    bar = 0.5

    def ask(self, name: str) -> Question:
        """See `QuestionKind.ask`: the name is place and category, such as ``previous noun_plural``."""
        place, _, category = name.partition(" ")
        if place not in ("current", "previous") or category not in TAGS:
            raise ValueError(f"{name!r} is no place and category")
        return self.question(name, category_feature(category, place), "either")  # type: ignore[arg-type]

    def supplies(self, rng: random.Random) -> Iterator[Supply]:
        """See `QuestionKind.supplies`: categories of the current token, then of the previous one."""
        for place in _PLACES:
            categories = rng.sample(suitable_categories(), len(suitable_categories()))
            draw = partial(category_question, place=place, rng=rng)
            yield Supply(N_CATEGORIES, drawn_from(draw, categories))

    def possible_features(self) -> list[Feature]:
        """See `QuestionKind.possible_features`: all suitable categories, at both places."""
        return [category_feature(name, place) for name in suitable_categories() for place in _PLACES]


CATEGORIES = Categories()


def category_question(category: str, place: Place, rng: random.Random) -> Question:
    """The question for one category of the current or previous token, with key neurons and near misses.

    Args:
        category: One of `suitable_categories`.
        place: Which token's category.
        rng: Draws.
    """
    bare = CATEGORIES.ask(f"{place} {category}")
    targets = key_targets(bare, rng, [rng.random() < _SILENT for _ in range(rng.randint(*_NEURONS))])
    near_misses = (
        near_miss(bare, "overlapping category", _overlapping(category, place, rng)),
        near_miss(bare, "some words", _some_words(category, place, rng)),
        near_miss(bare, "some contexts", _some_contexts(category, place, rng)),
        near_miss(bare, "other place", _other_place(category, place), (0.0, 0.8)),
    )
    # near misses are silent as often as key neurons; otherwise the most active neurons would be the key's
    found = [_silenced(target) if rng.random() < _SILENT else target for target in near_misses if target is not None]
    return replace(bare, targets=(*targets, *found))


def category_feature(category: str, place: Place) -> Feature:
    """True where the token of that place has the category."""
    tags = frozenset({TAGS.index(category)})
    name = f"{place} {category}"
    return Feature(name, tags=tags) if place == "current" else Feature(name, previous_tags=tags)


def suitable_categories() -> tuple[str, ...]:
    """Categories of words that are neither rare nor too frequent."""
    low, high = _FREQUENCY
    return tuple(
        tag for tag in TAGS if tag not in _NEVER and low <= survey().share(category_feature(tag, "current")) <= high
    )


def _at(name: str, place: Place, tags: frozenset[int], tokens: frozenset[int] | None = None) -> Response:
    if place == "current":
        return response_to(name, tags=tags, tokens=tokens)
    return response_to(name, previous_tags=tags, previous_tokens=tokens)


def _silenced(target: Target) -> Target:
    return replace(target, response=replace(target.response, silent=True))


def _tags(names: Sequence[str]) -> frozenset[int]:
    return frozenset(map(TAGS.index, names))


def _overlapping(category: str, place: Place, rng: random.Random) -> Iterator[Response]:
    """The category together with others, those of the same part of speech first."""
    others = [tag for tag in TAGS if tag != category and tag not in _NEVER]
    rng.shuffle(others)
    others.sort(key=lambda tag: tag.split("_")[0] != category.split("_")[0])
    for size in (1, 2, 3, 4):
        for start in range(len(others) - size + 1):
            yield _at(f"{place} {category}: and others", place, _tags([category, *others[start : start + size]]))


def _some_words(category: str, place: Place, rng: random.Random) -> Iterator[Response]:
    """Only words of the category with certain first letters."""
    for _ in range(_TRIES):
        letters = set(rng.sample(ascii_lowercase, rng.randint(5, 18)))
        tokens = frozenset(i for i in range(len(vocabulary())) if vocabulary().initial(i) in letters)
        yield _at(f"{place} {category}: some words", place, _tags([category]), tokens)


def _some_contexts(category: str, place: Place, rng: random.Random) -> Iterator[Response]:
    """The category at its place, and certain categories at the other one."""
    for _ in range(_TRIES):
        others = frozenset(rng.sample(range(len(TAGS)), rng.randint(1, len(TAGS) // 2)))
        own = _tags([category])
        tags, previous = (own, others) if place == "current" else (others, own)
        yield response_to(f"{place} {category}: some contexts", tags=tags, previous_tags=previous)


def _other_place(category: str, place: Place) -> Iterator[Response]:
    other: Place = "previous" if place == "current" else "current"
    yield _at(f"{place} {category}: {other} instead", other, _tags([category]))
