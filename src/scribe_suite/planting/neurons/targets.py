"""Targets of planted neurons: a key neuron follows its feature and little else, a near miss only a part of the feature.

Both are fitted to a sample of the language. A key neuron is not pure: up to a third of its variance comes from
something else, so that keys do not stand out by being perfect. A near miss reaches between a half and four fifths of
the bar, where a careless threshold would let it in.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

from scribe_suite.planting.english import vocabulary
from scribe_suite.planting.neurons.features import Feature, Response
from scribe_suite.planting.neurons.plan import Question, Target
from scribe_suite.planting.neurons.survey import survey

#: How far a key neuron must be above the bar before training.
KEY_MARGIN = 0.17
#: Limits of the share of a key neuron's variance that its feature explains before training; the lower one is the bar
#: plus `KEY_MARGIN` where that is higher.
LOWEST_KEY_RVE, HIGHEST_KEY_RVE = 0.7, 0.95
#: The share of a near miss's variance that the feature may explain, relative to the bar.
NEAR_MISS_SHARE = (0.5, 0.8)

#: Share of the text that a side feature, what a key neuron follows besides its own, holds in at least.
_RAREST_SIDE = 0.004
#: No token may make up more of a side feature than this, or the neuron is one of that token.
_MOST_COMMON_SIDE_TOKEN = 0.25


def key_targets(
    question: Question, rng: random.Random, silent: Sequence[bool], feature: Feature | None = None
) -> list[Target]:
    """One key neuron per element of `silent`, each with a side feature of its own.

    Args:
        question: The question they answer.
        rng: Draws.
        silent: Per neuron: whether it is silent where the feature holds and active elsewhere.
        feature: The feature they follow, if it is not the question's.
    """
    lowest = max(LOWEST_KEY_RVE, question.bar + KEY_MARGIN)
    return [
        Target("key", _impure(feature or question.feature, rng, is_silent, rng.uniform(lowest, HIGHEST_KEY_RVE)))
        for is_silent in silent
    ]


def near_miss(
    question: Question, kind: str, candidates: Iterable[Response], shares: tuple[float, float] = NEAR_MISS_SHARE
) -> Target | None:
    """The first candidate that follows the question's feature as far as a near miss may.

    Args:
        question: Whose near miss it is.
        kind: What kind.
        candidates: Responses, in the order of preference.
        shares: Smallest and largest RVE, as shares of the bar.
    """
    low, high = shares
    for response in candidates:
        if low <= expected_statistic(response, question) / question.bar <= high:
            return Target(kind, response)
    return None


def expected_statistic(response: Response, question: Question) -> float:
    """The statistic of a neuron with exactly this response, on the sample of the language."""
    explained = survey().explained(response, question.feature)
    return (
        abs(explained) if question.direction == "either" else explained * (1 if question.direction == "rises" else -1)
    )


def response_to(name: str, *, silent: bool = False, **conditions: Any) -> Response:
    """The response to one feature alone.

    Args:
        name: The feature's name.
        silent: See `Response`.
        conditions: Further arguments of `Feature`.
    """
    return Response(((Feature(name, **conditions), 1.0),), silent)


def _impure(feature: Feature, rng: random.Random, silent: bool, wanted: float) -> Response:
    sample = survey()
    side = _side(float(sample.values(feature).var()), feature, rng)
    low, high = 0.0, 1.0  # a neuron may not do more of the other thing than of its own
    for _ in range(12):
        weight = (low + high) / 2
        response = Response(((feature, 1.0), (side, weight)), silent)
        found = abs(sample.explained(response, feature))
        low, high = (weight, high) if found > wanted else (low, weight)
    return Response(((feature, 1.0), (side, round(low, 3))), silent)


def _side(variance: float, feature: Feature, rng: random.Random) -> Feature:
    """A handful of words that together vary about as much as the feature."""
    sample = survey()
    tokens = list(range(len(vocabulary())))
    rng.shuffle(tokens)
    # p (1 - p) = variance; no more than a sixth of the text, or the side feature would be the more usual one
    wanted = max(_RAREST_SIDE, min(1 / 6, variance * 1.2))
    chosen: list[int] = []
    share = 0.0
    for token in tokens:
        own = float(sample.token_shares[token])
        if own <= 0 or own > _MOST_COMMON_SIDE_TOKEN * wanted or token in (feature.tokens or ()):
            continue
        chosen.append(token)
        share += own
        if share >= wanted:
            break
    return Feature(f"{feature.name}: some other words", tokens=frozenset(chosen))
