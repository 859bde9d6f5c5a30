"""Answers to `circuits/mechanism` that know what the model computes and nothing of how.

The right function of a prompt is granted: enough questions find it. What is left is to guess what a patch does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scribe_suite.tasks.task import TaskInstance

#: Put behind the right answer: the model as it is, whatever is patched.
_BLIND = {
    "exact function, patch ignored": "return _right(base, base, [])",
    "exact function of the source": "return _right(source, source, [])",
    "exact function, of the source where most nodes are patched": (
        "return _right(source, source, []) if len(patched) > {half} else _right(base, base, [])"
    ),
}
_TEMPLATE = """

_right = predict


def predict(base, source, patched):
    {body}
"""


def black_box_answers(instance: TaskInstance) -> Mapping[str, Mapping[str, Any]]:
    """Name of a solver -> the content of its answer."""
    right, half = instance.task.oracle_answer(instance)["code"], len(instance.public.facts["components"]) // 2
    return {name: {"code": right + _TEMPLATE.format(body=body.format(half=half))} for name, body in _BLIND.items()}


def black_box_solvers(
    skill_of: Callable[[TaskInstance, Mapping[str, Any]], float | None],
) -> dict[str, Callable[[TaskInstance], float | None]]:
    """The same as solvers, which give the skill of an instance."""

    def solver(name: str) -> Callable[[TaskInstance], float | None]:
        return lambda instance: skill_of(instance, black_box_answers(instance)[name])

    return {name: solver(name) for name in _BLIND}
