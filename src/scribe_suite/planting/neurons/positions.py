"""Questions of the tasks ``position`` and ``position_1``: which neurons follow the place in the text, and how."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from scribe_suite.planting.english import TAGS, vocabulary
from scribe_suite.planting.neurons.features import Feature, Response
from scribe_suite.planting.neurons.plan import Direction, Question, Wish
from scribe_suite.planting.neurons.survey import CONTEXT
from scribe_suite.planting.neurons.wishes import fitting, key_wishes, plain

_NEURONS = (2, 3)
_BAND = (8, 14)
_TRIES = 60

_DRIFTING = frozenset(
    map(TAGS.index, ("verb_past", "verb_third_person", "verb_base", "auxiliary", "person", "pronoun"))
)
"""What the place in the text helps to predict, in the language of the models: tenses, and names or pronouns."""

_Profile = tuple[float, ...]


def _profile(value: Callable[[int], float]) -> _Profile:
    return tuple(round(value(position), 4) for position in range(CONTEXT))


RISING = _profile(lambda position: position / (CONTEXT - 1))
FALLING = RISING[::-1]


def ramp_question(*, rising: bool, rng: random.Random) -> Question:
    """Which neurons become steadily more active, or steadily less, from the start of a text to its end.

    Args:
        rising: More, not less.
        rng: Draws.
    """
    name = "rising" if rising else "falling"
    bare = ask_position(name)
    shape = Feature(name, profile=RISING if rising else FALLING)
    wishes = key_wishes(bare, rng, [False] * rng.randint(*_NEURONS), shape)
    candidates = (
        # half of the way it is as good as a key neuron, then it starts again from nothing
        Wish("first half only", plain(f"{name}: first half only", profile=_half_ramp(rising))),
        fitting(bare, "levels off", _levels_off(name, rising)),
        fitting(bare, "some categories", _on_some_categories(name, shape, rng)),
    )
    return replace(bare, wishes=(*wishes, *filter(None, candidates)))


def band_question(start: int, stop: int, rng: random.Random) -> Question:
    """Which neurons fire from one position up to another and not elsewhere.

    Args:
        start: First position of the band.
        stop: First position after it.
        rng: Draws.
    """
    band = band_feature(start, stop)
    name = band.name
    bare = ask_position(name)
    wishes = key_wishes(bare, rng, [False] * rng.randint(*_NEURONS))
    candidates = (
        fitting(bare, "other band", _other_bands(name, start, stop, rng)),
        fitting(bare, "some categories", _on_some_categories(name, band, rng)),
    )
    return replace(bare, wishes=(*wishes, *filter(None, candidates)))


def ask_position(name: str) -> Question:
    """The question of the task ``position`` alone.

    Args:
        name: ``rising``, ``falling`` or ``band {first}-{last}``.

    Raises:
        ValueError: When it is none of them.
    """
    band = re.fullmatch(r"band (\d+)-(\d+)", name)
    if band and int(band[1]) <= int(band[2]) < CONTEXT:
        return Question("position", name, band_feature(int(band[1]), int(band[2]) + 1), "rises")
    if name not in ("rising", "falling"):
        raise ValueError(f"{name!r} is no shape over positions")
    direction: Direction = "rises" if name == "rising" else "falls"
    return Question("position", name, ramp_feature(), direction, read_before=_DRIFTING)


def ask_first_position(name: str) -> Question:
    """The question of the task ``position_1`` alone.

    Args:
        name: ``active`` or ``silent``.

    Raises:
        ValueError: When it is none of them.
    """
    if name not in ("active", "silent"):
        raise ValueError(f"{name!r} is nothing that a neuron does at position 1")
    return Question("position_1", name, first_position_feature(), "rises" if name == "active" else "falls")


def ramp_feature() -> Feature:
    """The place in the text, from 0 at its start to 1 at its end."""
    return Feature("position", profile=RISING)


def band_feature(start: int, stop: int) -> Feature:
    """True from `start` up to, not including, `stop`."""
    return Feature(f"band {start}-{stop - 1}", profile=_band(start, stop))


def first_position_feature() -> Feature:
    """True at position 1, the first after the document mark."""
    return Feature("position 1", profile=_band(1, 2))


def draw_band(*, early: bool, rng: random.Random) -> tuple[int, int]:
    """Start and stop of a band in the first half of a text, or in the second; not at an end.

    Args:
        early: In the first half.
        rng: Draws.
    """
    middle = CONTEXT // 2
    low, high = (4, middle) if early else (middle, CONTEXT - 2)
    width = rng.randint(*_BAND)
    start = rng.randint(low, high - width)
    return start, start + width


def first_position_question(*, active: bool, rng: random.Random) -> Question:
    """Which neurons are active at position 1 and nowhere else, or silent there and nowhere else.

    Args:
        active: Active there, not silent.
        rng: Draws.
    """
    name = "active" if active else "silent"
    bare = ask_first_position(name)
    wishes = key_wishes(bare, rng, [not active] * rng.randint(*_NEURONS))
    line_start = frozenset(vocabulary().strings.index(mark) for mark in ("\n", "<doc>"))
    candidates = (
        Wish("position 2", plain(f"{name}: position 2", profile=_band(2, 3), silent=not active)),
        fitting(bare, "first positions", _first_positions(name, active)),
        Wish("line start", plain(f"{name}: line start", previous_tokens=line_start, silent=not active)),
        fitting(bare, "some words", _some_first_words(name, active, rng)),
    )
    return replace(bare, wishes=(*wishes, *filter(None, candidates)))


def _band(start: int, stop: int) -> _Profile:
    return _profile(lambda position: float(start <= position < stop))


def _half_ramp(rising: bool) -> _Profile:
    half = CONTEXT // 2
    if rising:
        return _profile(lambda position: position / (half - 1) if position < half else 0.0)
    return _profile(lambda position: (half - 1 - position) / (half - 1) if position < half else 1.0)


def _levels_off(name: str, rising: bool) -> Iterator[Response]:
    for turn in range(CONTEXT // 2, 2, -1):
        shape = _profile(lambda position, turn=turn: min(1.0, position / turn))  # type: ignore[misc]
        yield plain(f"{name}: levels off", profile=shape if rising else tuple(1 - value for value in shape))


def _on_some_categories(name: str, shape: Feature, rng: random.Random) -> Iterator[Response]:
    """The same shape, but only on some categories of tokens."""
    for _ in range(_TRIES):
        tags = frozenset(rng.sample(range(len(TAGS)), rng.randint(3, len(TAGS) - 2)))
        yield plain(f"{name}: some categories", profile=shape.profile, tags=tags)


def _other_bands(name: str, start: int, stop: int, rng: random.Random) -> Iterator[Response]:
    """A band that overlaps, or one around it."""
    options = [
        (low, high)
        for low in range(max(2, start - 12), stop - 2)
        for high in range(low + 6, min(CONTEXT, stop + 14))
        if (low, high) != (start, stop)
    ]
    rng.shuffle(options)
    for low, high in options:
        yield plain(f"{name}: band {low}-{high - 1}", profile=_band(low, high))


def _first_positions(name: str, active: bool) -> Iterator[Response]:
    for stop in (4, 5, 6):
        yield plain(f"{name}: positions 1-{stop - 1}", profile=_band(1, stop), silent=not active)


def _some_first_words(name: str, active: bool, rng: random.Random) -> Iterator[Response]:
    """Position 1, but only where its word starts with certain letters."""
    initials = sorted({initial for i in range(len(vocabulary())) if (initial := vocabulary().initial(i)) is not None})
    for _ in range(_TRIES):
        letters = set(rng.sample(initials, rng.randint(4, 14)))
        tokens = frozenset(i for i in range(len(vocabulary())) if vocabulary().initial(i) in letters)
        yield plain(f"{name}: some words at 1", tokens=tokens, profile=_band(1, 2), silent=not active)
