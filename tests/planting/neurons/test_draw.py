"""A plan holds questions of all kinds, and no planted neuron answers a question that it is not meant for."""

from __future__ import annotations

from collections import Counter

import pytest

from scribe_suite.planting.neurons.draw import draw_plan
from scribe_suite.planting.neurons.measure import Neuron
from scribe_suite.planting.neurons.plan import NeuronPlan
from scribe_suite.planting.neurons.targets import expected_statistic
from tests.planting.neurons.checking import KINDS
from tests.planting.neurons.conftest import D_MLP, N_LAYERS


def names(plan: NeuronPlan, kind: str) -> set[str]:
    return {question.name for question in plan.questions if question.kind == kind}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_plan(plans: list[NeuronPlan]) -> None:
    assert draw_plan(0, KINDS, N_LAYERS, D_MLP) == plans[0]


def test_other_seeds_give_other_questions_and_other_neurons(plans: list[NeuronPlan]) -> None:
    first, second = plans
    for kind in ("unigram", "alphabet", "syntax"):
        assert names(first, kind) != names(second, kind), kind
    same = {question.id for question in first.questions} & {question.id for question in second.questions}
    for question in same:
        assert first.neurons(question, key=True) != second.neurons(question, key=True) or not first.neurons(
            question, key=True
        )


def test_every_kind_has_its_questions(plan: NeuronPlan) -> None:
    counts = Counter(question.kind for question in plan.questions)
    assert counts == {"position_1": 2, "position": 4, "syntax": 6, "alphabet": 8, "unigram": 6}
    assert names(plan, "position_1") == {"active", "silent"}
    assert {"rising", "falling"} < names(plan, "position")
    places = Counter(name.partition(" ")[0] for name in names(plan, "syntax"))
    assert places == {"current": 3, "previous": 3}
    assert len({question.id for question in plan.questions}) == len(plan.questions)


def test_two_letters_have_no_neuron_and_every_other_question_has_one(plan: NeuronPlan) -> None:
    without = [question for question in plan.questions if not plan.neurons(question.id, key=True)]
    assert [question.kind for question in without] == ["alphabet", "alphabet"]
    assert len(plan.answered()) == len(plan.questions) - 2


def test_every_target_has_a_neuron_of_its_own(plan: NeuronPlan) -> None:
    wanted = [(question.id, target) for question in plan.questions for target in question.targets]
    assert [(item.question, item.target) for item in plan.assignments] == wanted
    neurons = [item.neuron for item in plan.assignments]
    assert len(set(neurons)) == len(neurons)
    assert all(0 <= neuron.layer < N_LAYERS and 0 <= neuron.index < D_MLP for neuron in neurons)


def test_key_neurons_of_a_question_lie_in_different_layers(plan: NeuronPlan) -> None:
    for question in plan.answered():
        layers = [neuron.layer for neuron in plan.neurons(question.id, key=True)]
        assert len(set(layers)) == len(layers), question.id


def test_neither_layers_nor_strengths_tell_key_neurons_from_near_misses(plan: NeuronPlan) -> None:
    for is_key in (True, False):
        found = [item for item in plan.assignments if (item.target.role == "key") == is_key]
        assert {item.neuron.layer for item in found} == set(range(N_LAYERS))
        ramps = {question.id for question in plan.questions if question.read_before}
        strengths = [item.strength / (1.5 if item.question in ramps else 1.0) for item in found]
        assert min(strengths) < 2 < 3.5 < max(strengths)
        assert all(1.49 <= strength <= 4.01 for strength in strengths)


def test_every_question_has_near_misses(plan: NeuronPlan) -> None:
    for question in plan.questions:
        assert len(plan.neurons(question.id, key=False)) >= 2, question.id


def test_key_neurons_are_expected_well_above_their_bar(plan: NeuronPlan) -> None:
    for question in plan.questions:
        for target in question.targets:
            if target.role == "key":
                expected = expected_statistic(target.response, question)
                assert expected >= question.bar + 0.1, question.id
                assert expected >= 0.6, question.id


def test_every_other_planted_neuron_is_expected_below_the_bar_of_every_question(plan: NeuronPlan) -> None:
    for question in plan.questions:
        for item in plan.assignments:
            if not (item.question == question.id and item.target.role == "key"):
                expected = expected_statistic(item.target.response, question)
                assert expected <= 0.82 * question.bar + 1e-4, (question.id, item.question, item.target.role)


@pytest.mark.slow
def test_a_model_with_too_few_neurons_is_refused() -> None:
    with pytest.raises(ValueError, match="8 neurons are too few"):
        draw_plan(0, KINDS, 2, 4)


@pytest.mark.slow
def test_in_a_model_of_one_layer_all_key_neurons_lie_in_it() -> None:
    plan = draw_plan(0, KINDS, 1, 300)
    assert {item.neuron for item in plan.assignments} <= {Neuron(0, index) for index in range(300)}
