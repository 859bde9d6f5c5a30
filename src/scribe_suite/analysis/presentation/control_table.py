"""The table of black-box controls and of the gap between the best known method and each agent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scribe_suite.analysis.controls import BLACK_BOX_BAR, TaskControl
from scribe_suite.analysis.presentation.result_table import Column, ResultTable


def control_table(controls: Sequence[TaskControl], sides: Sequence[str]) -> ResultTable:
    """A row for each task."""
    blocks = (
        (
            Column("Black box", "number", tuple(one.black_box for one in controls)),
            Column("Best skill", "number", tuple(one.best_skill for one in controls)),
            Column("Best method", "text", tuple(one.best_method for one in controls)),
        ),
        tuple(Column("Gap", "difference", tuple(one.gaps.get(side) for one in controls), side) for side in sides),
    )
    title = "Controls: what a black box reaches, and the best known method's skill minus the agent's (gap)"
    return ResultTable("controls", title, "Task", tuple(one.task for one in controls), blocks)


def control_notes(controls: Sequence[TaskControl], tasks: Sequence[str]) -> Iterator[str]:
    """What the table can't show.

    Args:
        controls: The controls of the tasks that have any.
        tasks: All tasks of the comparison.
    """
    for one in controls:
        if not one.is_current:
            attempted = " and ".join(map(str, one.attempted_versions))
            yield (
                f"{one.task}: black box and best method were measured at version {one.measured_version} of the task, "
                f"the attempts are of version {attempted}."
            )
        if one.black_box >= BLACK_BOX_BAR:
            yield (
                f"{one.task} is not about internals alone: from inputs and outputs, {one.solver} reaches a skill of "
                f"{one.black_box:.2f}."
            )
    if missing := [task for task in tasks if task not in {one.task for one in controls}]:
        yield f"No black box was measured for {', '.join(missing)}."
