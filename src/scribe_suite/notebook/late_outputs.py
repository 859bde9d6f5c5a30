"""Output of cells after their replies: tasks and threads continue, and a failed task is reported when it is collected.

Journal and notebook show it at its cell; an agent gets it with the next reply.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from scribe_suite.notebook.document import Cell, add_output
from scribe_suite.notebook.outputs import Output

#: Most runs whose late outputs wait for a reply, and most outputs of each.
MAX_RUNS, MAX_OUTPUTS = 50, 100


@dataclass
class LateOutput:
    """The outputs of one run of a cell since its reply.

    Attributes:
        index: Number of the cell among the code cells.
        execution_count: The kernel's number of the run, or None.
        cell_id: The cell's id.
        run: The number of the run.
        outputs: In order, joined as in a notebook.
    """

    index: int
    execution_count: int | None
    cell_id: str
    run: int
    outputs: list[Output] = field(default_factory=list)


class LateOutputs:
    """Late outputs by run, until a reply includes them."""

    def __init__(self) -> None:
        self._late: dict[tuple[str, int], tuple[LateOutput, Cell]] = {}

    def add(self, late: LateOutput, output: Output) -> None:
        """Add an output of a run that has ended; ``late`` identifies it, and is used for the run's first output."""
        key = (late.cell_id, late.run)
        if key not in self._late:
            if len(self._late) >= MAX_RUNS:
                return
            self._late[key] = (late, Cell(late.cell_id, ""))
        cell = self._late[key][1]
        if len(cell.outputs) < MAX_OUTPUTS:
            add_output(cell, output)

    def drop(self, cell_id: str, run: int) -> None:
        """Drop the outputs of a run, because a reply includes them."""
        self._late.pop((cell_id, run), None)

    def take(self) -> list[LateOutput]:
        """Return and clear all outputs, in the order in which the runs began to produce them."""
        taken, self._late = self._late, {}
        for late, cell in taken.values():
            late.outputs = cell.outputs
        return [late for late, cell in taken.values() if cell.outputs]
