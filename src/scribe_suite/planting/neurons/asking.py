"""What a stored question asks: task and name are enough to have its feature and direction again, without its plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scribe_suite.planting.neurons.categories import ask_category
from scribe_suite.planting.neurons.letters import ask_letter
from scribe_suite.planting.neurons.plan import Question, TaskName
from scribe_suite.planting.neurons.positions import ask_first_position, ask_position
from scribe_suite.planting.neurons.words import ask_word

_ASK: Mapping[TaskName, Callable[[str], Question]] = {
    "position": ask_position,
    "position_1": ask_first_position,
    "alphabet": ask_letter,
    "syntax": ask_category,
    "unigram": ask_word,
}


def ask(task: TaskName, name: str) -> Question:
    """The question of that name, without wishes.

    Raises:
        ValueError: When the task has no such question.
    """
    return _ASK[task](name)
