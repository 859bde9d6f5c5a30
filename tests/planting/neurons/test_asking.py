"""Task and name of a question are enough to measure an answer to it."""

from __future__ import annotations

from typing import get_args

import pytest

from scribe_suite.planting.neurons.asking import ask
from scribe_suite.planting.neurons.plan import NeuronPlan, TaskName

REFUSED = "no token|no place and category|no shape|nothing that a neuron does"


@pytest.mark.slow
def test_every_question_of_a_plan_can_be_asked_again_without_it(plan: NeuronPlan) -> None:
    for question in plan.questions:
        again = ask(question.task, question.name)
        assert (again.id, again.feature, again.direction) == (question.id, question.feature, question.direction)
        assert again.bar == question.bar
        assert not again.wishes


@pytest.mark.parametrize("task", get_args(TaskName))
@pytest.mark.parametrize("name", ["", "no such question", "Current Adverb"])
def test_a_name_that_is_no_question_of_the_task_is_refused(task: TaskName, name: str) -> None:
    with pytest.raises(ValueError, match=REFUSED):
        ask(task, name)


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("position", "active"),
        ("position_1", "rising"),
        ("alphabet", "story"),
        ("syntax", "band 10-20"),
        ("unigram", "current adverb"),
    ],
)
def test_a_question_of_another_task_is_refused(task: TaskName, name: str) -> None:
    with pytest.raises(ValueError, match=REFUSED):
        ask(task, name)
