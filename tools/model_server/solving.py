"""A scenario made at run time from the cells of a reference solution."""

from __future__ import annotations

from collections.abc import Sequence

from scribe_suite.tasks.solutions import Cell

from .scenario import RESULT, SESSION, Call, Scenario, Step

_TOOLS = {"markdown": ("add_markdown", "content"), "code": ("execute_code", "code")}


def solve(
    cells: Sequence[Cell],
    *,
    variable: str = "answer",
    experiment_name: str = "solution",
    bad_answer: str | None = None,
    name: str = "solve",
) -> Scenario:
    """Do what the reference provider does with `cells`: a session, a call per cell, the submission, a final text.

    Args:
        cells: The solution.
        variable: The variable to submit.
        experiment_name: Name of the notebook.
        bad_answer: Code of a cell that builds an answer the task refuses; it is submitted first, and its error read.
        name: Name of the scenario.
    """
    steps = [_step("start_new_session", experiment_name=experiment_name)]
    submit = _step("submit_answer", session_id=SESSION, variable=variable)
    expected: str | None = None
    if bad_answer is not None:
        steps += [_step("execute_code", session_id=SESSION, code=bad_answer), submit]
        expected = r"accepted\W+false"
    for cell in cells:
        tool, argument = _TOOLS[cell.kind]
        steps.append(_step(tool, expected, session_id=SESSION, **{argument: cell.source}))
        expected = None
    steps.append(submit)
    steps.append(Step(text=f"Submitted: {RESULT}", expect=r"accepted\W+true"))
    return Scenario(name=name, summary="Solve a task by the cells of its solution.", steps=tuple(steps))


def _step(tool: str, expect: str | None = None, **arguments: str) -> Step:
    return Step(calls=(Call(tool=tool, arguments=arguments),), expect=expect)
