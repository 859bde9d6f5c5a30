"""A language of ten tokens, a small model of it, and a plan of four questions."""

from __future__ import annotations

import torch

from scribe_suite.planting.english import TaggedText
from scribe_suite.planting.neurons.features import Feature, Response
from scribe_suite.planting.neurons.measure import Neuron
from scribe_suite.planting.neurons.plan import Assignment, NeuronPlan, Question, Target

LENGTH = 12
CONFIG = {
    "n_layers": 2,
    "d_model": 24,
    "n_heads": 2,
    "d_head": 12,
    "d_mlp": 24,
    "n_ctx": LENGTH,
    "d_vocab": 10,
    "act_fn": "gelu",
    "normalization_type": "LN",
    "seed": None,
}
TAG = 1

THREE = Feature("three", tokens=frozenset({3}))
TAGGED = Feature("tagged", tags=frozenset({TAG}))
LATER = Feature("place", profile=tuple(place / (LENGTH - 1) for place in range(LENGTH)))
EIGHT_OR_NINE = Feature("eight or nine", tokens=frozenset({8, 9}))


def _key(feature: Feature, *, silent: bool = False) -> Target:
    return Target("key", Response(((feature, 1.0), (Feature("nought", tokens=frozenset({0})), 0.2)), silent))


def _near(kind: str, feature: Feature) -> Target:
    return Target(kind, Response(((feature, 1.0),)))


_WORD = (
    _key(THREE),
    _key(THREE),
    _near("some contexts", Feature("three after few", tokens=THREE.tokens, previous_tokens=frozenset(range(5)))),
    _near("other word", Feature("seven", tokens=frozenset({7}))),
)
_CATEGORY = (_key(TAGGED), _key(TAGGED, silent=True))
_PLACE = (_key(LATER), _near("first half only", Feature("half", profile=(*LATER.profile[:6], *[0.0] * 6))))
_LETTER = (_near("some variants", Feature("eight", tokens=frozenset({8}))),)

QUESTIONS = (
    Question("unigram", "three", THREE, "rises", 0.5, _WORD),
    Question("syntax", "current tagged", TAGGED, "either", 0.5, _CATEGORY),
    Question("position", "rising", LATER, "rises", 0.65, _PLACE),
    Question("alphabet", "e", EIGHT_OR_NINE, "rises", 0.37, _LETTER),
)
_NEURONS = {
    "unigram/three": (Neuron(0, 5), Neuron(1, 9), Neuron(1, 2), Neuron(0, 7)),
    "syntax/current tagged": (Neuron(0, 11), Neuron(1, 12)),
    "position/rising": (Neuron(1, 20), Neuron(0, 1)),
    "alphabet/e": (Neuron(1, 4),),
}
PLAN = NeuronPlan(
    QUESTIONS,
    tuple(
        Assignment(neuron, question.id, target, 2.0 + 0.5 * neuron.layer)
        for question in QUESTIONS
        for neuron, target in zip(_NEURONS[question.id], question.targets, strict=True)
    ),
)


def sample(step: int, rows: int) -> TaggedText:
    """Three is followed by four, a tagged token (one or two) by nought; late places prefer six; the rest is random."""
    generator = torch.Generator().manual_seed(step)
    tokens = torch.randint(0, 10, (rows, LENGTH), generator=generator)
    late = torch.rand(rows, LENGTH, generator=generator) < torch.linspace(0, 0.7, LENGTH)
    tokens = torch.where(late, 6, tokens)
    tags = torch.zeros_like(tokens)
    for place in range(LENGTH):
        if place:
            before = tokens[:, place - 1]
            tokens[:, place] = torch.where(before == 3, 4, tokens[:, place])
            tokens[:, place] = torch.where(tags[:, place - 1] == TAG, 0, tokens[:, place])
        tags[:, place] = TAG * ((tokens[:, place] == 1) | (tokens[:, place] == 2))
    return TaggedText(tokens, tags)
