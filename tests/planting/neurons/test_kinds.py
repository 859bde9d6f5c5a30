"""Kind and name of a question are enough to measure an answer to it; the planter draws whatever kinds it is handed."""

from __future__ import annotations

import random
from itertools import islice

import pytest

from scribe_suite.planting.neurons.kinds import QuestionKind, drawn_from
from scribe_suite.planting.neurons.plan import NeuronPlan, Question
from tests.planting.neurons.checking import BARS, KINDS

REFUSED = "no token|no place and category|no shape|nothing that a neuron does"
#: By kind: the name of one of its questions, and one of another kind's.
NAMES = {
    "position": ("band 10-20", "active"),
    "position_1": ("active", "rising"),
    "alphabet": ("s", "story"),
    "syntax": ("current adverb", "band 10-20"),
    "unigram": ("story", "current adverb"),
}

every_kind = pytest.mark.parametrize("kind", KINDS, ids=[kind.id for kind in KINDS])


def test_the_bars_of_words_and_letters_are_the_published_ones() -> None:
    assert (BARS["unigram"], BARS["alphabet"]) == (0.5, 0.37)
    assert all(0.3 < bar < 0.7 for bar in BARS.values())


@pytest.mark.slow
def test_every_question_of_a_plan_can_be_asked_again_without_it(plan: NeuronPlan) -> None:
    kinds = {kind.id: kind for kind in KINDS}
    for question in plan.questions:
        again = kinds[question.kind].ask(question.name)
        assert (again.id, again.feature, again.direction) == (question.id, question.feature, question.direction)
        assert again.bar == question.bar
        assert not again.targets


@every_kind
def test_a_question_has_the_bar_of_its_kind_and_an_id_that_begins_with_it(kind: QuestionKind) -> None:
    own, _ = NAMES[kind.id]
    asked = kind.ask(own)
    assert (asked.kind, asked.bar) == (kind.id, kind.bar)
    assert asked.id == f"{kind.id}/{own}"


@every_kind
def test_a_name_that_is_no_question_of_the_kind_is_refused(kind: QuestionKind) -> None:
    _, foreign = NAMES[kind.id]
    for name in ("", "no such question", "Current Adverb", foreign):
        with pytest.raises(ValueError, match=REFUSED):
            kind.ask(name)


@every_kind
def test_controls_are_tried_on_features_that_are_all_different(kind: QuestionKind) -> None:
    features = kind.possible_features()
    assert features
    assert len({feature.name for feature in features}) == len(set(features))


@every_kind
def test_supplies_draw_questions_of_their_kind_with_targets(kind: QuestionKind) -> None:
    for supply in kind.supplies(random.Random(0)):
        assert supply.wanted >= 1
        first, second = (draw() for draw in islice(supply.candidates, 2))
        assert first.kind == second.kind == kind.id
        assert first.targets
        assert first != second


def test_candidates_are_drawn_in_the_order_of_the_names_each_a_few_times_and_not_before_they_are_wanted() -> None:
    drawn: list[str] = []

    def draw(name: str) -> Question:
        drawn.append(name)
        return KINDS[0].ask("active")

    candidates = drawn_from(draw, ["a", "b"], tries=2)
    assert not drawn
    assert len([make() for make in candidates]) == 4
    assert drawn == ["a", "a", "b", "b"]
