"""Questions compare with a bar in their direction; plans know who answers what."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from scribe_suite.planting.english import TaggedText
from scribe_suite.planting.neurons.features import Feature, Response
from scribe_suite.planting.neurons.measure import Neuron
from scribe_suite.planting.neurons.plan import Assignment, Direction, NeuronPlan, Question, Target

FEATURE = Feature("three", tokens=frozenset({3}))
KEY = Target("key", Response(((FEATURE, 1.0),)))
PART = Feature("part", tokens=frozenset({3}), previous_tokens=frozenset({1}))
MISS = Target("some contexts", Response(((PART, 1.0),)))
ANSWERED = Question("unigram", "three", FEATURE, "rises", 0.5, (KEY, KEY, MISS))
ABSENT = Question("alphabet", "t", FEATURE, "rises", 0.37, (MISS,))
PLAN = NeuronPlan(
    (ANSWERED, ABSENT),
    (
        Assignment(Neuron(0, 1), "unigram/three", KEY, 2.0),
        Assignment(Neuron(1, 4), "unigram/three", KEY, 2.0),
        Assignment(Neuron(1, 2), "unigram/three", MISS, 2.0),
        Assignment(Neuron(0, 3), "alphabet/t", MISS, 2.0),
    ),
)
TEXT = TaggedText(torch.tensor([[3, 0, 3, 1]]), torch.zeros(1, 4, dtype=torch.long))


def test_a_question_is_known_by_kind_and_name() -> None:
    assert (ANSWERED.id, ABSENT.id) == ("unigram/three", "alphabet/t")


@pytest.mark.parametrize(
    ("direction", "expected"), [("rises", [0.6, -0.7]), ("falls", [-0.6, 0.7]), ("either", [0.6, 0.7])]
)
def test_the_statistic_is_positive_in_the_direction_asked_for(direction: Direction, expected: list[float]) -> None:
    question = Question("syntax", "x", FEATURE, direction, 0.5)
    assert question.statistic(torch.tensor([0.6, -0.7])).tolist() == pytest.approx(expected)


def test_a_plan_tells_key_neurons_from_near_misses() -> None:
    assert PLAN.neurons("unigram/three", key=True) == [Neuron(0, 1), Neuron(1, 4)]
    assert PLAN.neurons("unigram/three", key=False) == [Neuron(1, 2)]
    assert PLAN.neurons("alphabet/t", key=True) == []
    assert PLAN.neurons("alphabet/t", key=False) == [Neuron(0, 3)]


def test_questions_without_a_key_neuron_are_not_answered() -> None:
    assert PLAN.answered() == [ANSWERED]


def test_a_yes_or_no_feature_is_read_where_it_holds() -> None:
    assert ANSWERED.where_read(TEXT).tolist() == [[1, 0, 1, 0]]
    band = Question("position", "band", Feature("band", profile=(0.0, 1.0, 1.0, 0.0)), "rises", 0.65)
    assert band.where_read(TEXT).tolist() == [[0, 1, 1, 0]]


def test_a_ramp_is_read_near_both_of_its_ends() -> None:
    ramp = Question("position", "rising", Feature("ramp", profile=(0.0, 0.3, 0.6, 1.0)), "rises", 0.65)
    assert ramp.where_read(TEXT).tolist() == [[1, 0, 0, 1]]


def test_a_ramp_is_read_far_from_its_middle_and_before_what_depends_on_it() -> None:
    ramp = Feature("place", profile=(0.0, 0.1, 0.4, 0.6, 0.9, 1.0))
    text = TaggedText(torch.zeros(1, 6, dtype=torch.long), torch.tensor([[0, 7, 7, 7, 0, 7]]))
    everywhere = Question("position", "rising", ramp, "rises", 0.65)
    assert everywhere.where_read(text).tolist() == [[1, 1, 0, 0, 1, 1]]
    before_sevens = replace(everywhere, read_before=frozenset({7}))
    assert before_sevens.where_read(text).tolist() == [[1, 1, 0, 0, 1, 0]]
