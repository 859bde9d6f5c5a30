"""Questions about the position in the text: which neurons follow it in a given shape, or single out position 1."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from scribe_suite.planting.english import TAGS, vocabulary
from scribe_suite.planting.frozen import Check
from scribe_suite.planting.neurons.evidence import Evidence
from scribe_suite.planting.neurons.features import Feature, Response
from scribe_suite.planting.neurons.kinds import TRIES, QuestionKind, Supply, drawn_from
from scribe_suite.planting.neurons.measure import position_information
from scribe_suite.planting.neurons.plan import Direction, Question, Target
from scribe_suite.planting.neurons.survey import CONTEXT
from scribe_suite.planting.neurons.targets import key_targets, near_miss, response_to

#: Fewest and most key neurons of a question.
_NEURONS = (2, 3)
#: Least mutual information of every key neuron's activation with the position, in nats.
INFORMATION_BAR = 0.2
#: Narrowest and widest band, in positions.
_BAND = (8, 14)
#: How many draws of a near miss of one kind are tried.
_TRIES = 60
#: How many draws of an irreplaceable question are tried: more than elsewhere, because its targets may conflict with
#: others.
_DRAWS = 5 * TRIES
#: Texts on which the information about the position is measured.
_INFORMATION_ROWS = 320
#: How many bands controls are tried on.
_CONTROL_BANDS = 20

#: What the position in the text helps to predict, in the models' language: tenses, and names or pronouns.
_DRIFTING = frozenset(
    map(TAGS.index, ("verb_past", "verb_third_person", "verb_base", "auxiliary", "person", "pronoun"))
)

_Profile = tuple[float, ...]


def _profile(value: Callable[[int], float]) -> _Profile:
    return tuple(round(value(position), 4) for position in range(CONTEXT))


RISING = _profile(lambda position: position / (CONTEXT - 1))
FALLING = RISING[::-1]


class Shapes(QuestionKind):
    """Which neurons rise or fall with the position, or fire in one band of positions?"""

    id = "position"
    # higher than others: attention gets less sharp along a text, and an untrained neuron that sees it may reach 0.5
    bar = 0.65

    def ask(self, name: str) -> Question:
        """See `QuestionKind.ask`: the name is ``rising``, ``falling`` or ``band {first}-{last}``."""
        band = re.fullmatch(r"band (\d+)-(\d+)", name)
        if band and int(band[1]) <= int(band[2]) < CONTEXT:
            return self.question(name, band_feature(int(band[1]), int(band[2]) + 1), "rises")
        if name not in ("rising", "falling"):
            raise ValueError(f"{name!r} is no shape over positions")
        direction: Direction = "rises" if name == "rising" else "falls"
        return self.question(name, ramp_feature(), direction, read_before=_DRIFTING)

    def supplies(self, rng: random.Random) -> Iterator[Supply]:
        """See `QuestionKind.supplies`: both ramps, a band in the first half of a text and one in the second."""
        for rising in (True, False):
            yield Supply(1, drawn_from(lambda up: ramp_question(rising=up, rng=rng), [rising], _DRAWS))
        for early in (True, False):
            yield Supply(1, drawn_from(lambda half: _drawn_band(early=half, rng=rng), [early], _DRAWS))

    def possible_features(self) -> list[Feature]:
        """See `QuestionKind.possible_features`: the ramp and some bands."""
        rng = random.Random("twins")  # the generator with which frozen models were certified
        bands = [draw_band(early=number % 2 == 0, rng=rng) for number in range(_CONTROL_BANDS)]
        return [ramp_feature(), *(band_feature(*band) for band in bands)]

    def further_checks(self, evidence: Evidence) -> Iterator[Check]:
        """See `QuestionKind.further_checks`: key neurons are informative about the position.

        So are others, which is why a question asks for a shape.
        """
        rows = [row for question in evidence.questions(self.id) for row in evidence.rows(question)]
        part = evidence.activations[: _INFORMATION_ROWS * evidence.length, rows]
        information = position_information(part, evidence.length)
        yield Check(
            name=f"information/{self.id}/planted_min",
            value=float(information.min()),
            bar=INFORMATION_BAR,
            direction=">=",
        )


class FirstPosition(QuestionKind):
    """Which neurons are active, or silent, at exactly position 1?"""

    id = "position_1"
    bar = 0.5

    def ask(self, name: str) -> Question:
        """See `QuestionKind.ask`: the name is ``active`` or ``silent``."""
        if name not in ("active", "silent"):
            raise ValueError(f"{name!r} is nothing that a neuron does at position 1")
        return self.question(name, first_position_feature(), "rises" if name == "active" else "falls")

    def supplies(self, rng: random.Random) -> Iterator[Supply]:
        """See `QuestionKind.supplies`: active neurons, and silent ones."""
        for active in (True, False):
            yield Supply(1, drawn_from(lambda here: first_position_question(active=here, rng=rng), [active], _DRAWS))

    def possible_features(self) -> list[Feature]:
        """See `QuestionKind.possible_features`."""
        return [first_position_feature()]


SHAPES, FIRST_POSITION = Shapes(), FirstPosition()


def ramp_question(*, rising: bool, rng: random.Random) -> Question:
    """Which neurons become steadily more active, or steadily less, from the start of a text to its end.

    Args:
        rising: More, not less.
        rng: Draws.
    """
    name = "rising" if rising else "falling"
    bare = SHAPES.ask(name)
    shape = Feature(name, profile=RISING if rising else FALLING)
    targets = key_targets(bare, rng, [False] * rng.randint(*_NEURONS), shape)
    candidates = (
        # half of the way it is as good as a key neuron, then it starts again from nothing
        Target("first half only", response_to(f"{name}: first half only", profile=_half_ramp(rising))),
        near_miss(bare, "levels off", _levels_off(name, rising)),
        near_miss(bare, "some categories", _on_some_categories(name, shape, rng)),
    )
    return replace(bare, targets=(*targets, *filter(None, candidates)))


def band_question(start: int, stop: int, rng: random.Random) -> Question:
    """Which neurons fire from one position up to another and not elsewhere.

    Args:
        start: First position of the band.
        stop: First position after it.
        rng: Draws.
    """
    band = band_feature(start, stop)
    name = band.name
    bare = SHAPES.ask(name)
    targets = key_targets(bare, rng, [False] * rng.randint(*_NEURONS))
    candidates = (
        near_miss(bare, "other band", _other_bands(name, start, stop, rng)),
        near_miss(bare, "some categories", _on_some_categories(name, band, rng)),
    )
    return replace(bare, targets=(*targets, *filter(None, candidates)))


def _drawn_band(*, early: bool, rng: random.Random) -> Question:
    return band_question(*draw_band(early=early, rng=rng), rng)


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
    bare = FIRST_POSITION.ask(name)
    targets = key_targets(bare, rng, [not active] * rng.randint(*_NEURONS))
    line_start = frozenset(vocabulary().strings.index(mark) for mark in ("\n", "<doc>"))
    candidates = (
        Target("position 2", response_to(f"{name}: position 2", profile=_band(2, 3), silent=not active)),
        near_miss(bare, "first positions", _first_positions(name, active)),
        Target("line start", response_to(f"{name}: line start", previous_tokens=line_start, silent=not active)),
        near_miss(bare, "some words", _some_first_words(name, active, rng)),
    )
    return replace(bare, targets=(*targets, *filter(None, candidates)))


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
        yield response_to(f"{name}: levels off", profile=shape if rising else tuple(1 - value for value in shape))


def _on_some_categories(name: str, shape: Feature, rng: random.Random) -> Iterator[Response]:
    """The same shape, but only on some categories of tokens."""
    for _ in range(_TRIES):
        tags = frozenset(rng.sample(range(len(TAGS)), rng.randint(3, len(TAGS) - 2)))
        yield response_to(f"{name}: some categories", profile=shape.profile, tags=tags)


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
        yield response_to(f"{name}: band {low}-{high - 1}", profile=_band(low, high))


def _first_positions(name: str, active: bool) -> Iterator[Response]:
    for stop in (4, 5, 6):
        yield response_to(f"{name}: positions 1-{stop - 1}", profile=_band(1, stop), silent=not active)


def _some_first_words(name: str, active: bool, rng: random.Random) -> Iterator[Response]:
    """Position 1, but only where its word starts with certain letters."""
    initials = sorted({initial for i in range(len(vocabulary())) if (initial := vocabulary().initial(i)) is not None})
    for _ in range(_TRIES):
        letters = set(rng.sample(initials, rng.randint(4, 14)))
        tokens = frozenset(i for i in range(len(vocabulary())) if vocabulary().initial(i) in letters)
        yield response_to(f"{name}: some words at 1", tokens=tokens, profile=_band(1, 2), silent=not active)
