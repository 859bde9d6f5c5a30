"""Questions of the task ``syntax``: which neurons tell that the current or the previous token is of one category."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from string import ascii_lowercase
from typing import Literal

from scribe_suite.planting.english import TAGS, vocabulary
from scribe_suite.planting.neurons.features import Feature, Response
from scribe_suite.planting.neurons.plan import Question, Wish
from scribe_suite.planting.neurons.survey import survey
from scribe_suite.planting.neurons.wishes import fitting, key_wishes, plain

Place = Literal["current", "previous"]

_FREQUENCY = (0.015, 0.15)
_NEURONS = (2, 3)
_SILENT = 0.35
"""How many of the key neurons are silent on the category and active elsewhere."""
_NEVER = ("punctuation", "mark")
_TRIES = 40


def category_question(category: str, place: Place, rng: random.Random) -> Question:
    """The question for one category of the current or previous token, with key neurons and near misses.

    Args:
        category: One of `suitable_categories`.
        place: Which token's category.
        rng: Draws.
    """
    bare = ask_category(f"{place} {category}")
    wishes = key_wishes(bare, rng, [rng.random() < _SILENT for _ in range(rng.randint(*_NEURONS))])
    near_misses = (
        fitting(bare, "overlapping category", _overlapping(category, place, rng)),
        fitting(bare, "some words", _some_words(category, place, rng)),
        fitting(bare, "some contexts", _some_contexts(category, place, rng)),
        fitting(bare, "other place", _other_place(category, place), (0.0, 0.8)),
    )
    # near misses are silent as often as key neurons, or the most active neurons would be the key's
    found = [_silenced(wish) if rng.random() < _SILENT else wish for wish in near_misses if wish is not None]
    return replace(bare, wishes=(*wishes, *found))


def ask_category(name: str) -> Question:
    """The question alone.

    Args:
        name: Place and category, ``previous noun_plural``.

    Raises:
        ValueError: When there is no such place or category.
    """
    place, _, category = name.partition(" ")
    if place not in ("current", "previous") or category not in TAGS:
        raise ValueError(f"{name!r} is no place and category")
    return Question("syntax", name, category_feature(category, place), "either")  # type: ignore[arg-type]


def category_feature(category: str, place: Place) -> Feature:
    """True where the token of that place has the category."""
    tags = frozenset({TAGS.index(category)})
    name = f"{place} {category}"
    return Feature(name, tags=tags) if place == "current" else Feature(name, previous_tags=tags)


def suitable_categories() -> tuple[str, ...]:
    """Categories of words that are neither rare nor everywhere."""
    low, high = _FREQUENCY
    return tuple(
        tag for tag in TAGS if tag not in _NEVER and low <= survey().share(category_feature(tag, "current")) <= high
    )


def _at(name: str, place: Place, tags: frozenset[int], tokens: frozenset[int] | None = None) -> Response:
    if place == "current":
        return plain(name, tags=tags, tokens=tokens)
    return plain(name, previous_tags=tags, previous_tokens=tokens)


def _silenced(wish: Wish) -> Wish:
    return replace(wish, response=replace(wish.response, silent=True))


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
        yield plain(f"{place} {category}: some contexts", tags=tags, previous_tags=previous)


def _other_place(category: str, place: Place) -> Iterator[Response]:
    other: Place = "previous" if place == "current" else "current"
    yield _at(f"{place} {category}: {other} instead", other, _tags([category]))
