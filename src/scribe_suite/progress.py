"""Progress of long work: reporting it, and the bars in a terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, TaskID

#: Called during long work with the completed fraction (0 to 1) and one line about the current state.
ProgressCallback = Callable[[float, str], None]

#: With the longest task id and a time, this leaves a quarter of 80 columns for the current state.
_BAR_WIDTH = 16


def progress_bars(console: Console) -> Progress:
    """A line per piece of work: its name, a bar, the current state, and the time."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    whole = Column(no_wrap=True)
    return Progress(
        TextColumn("{task.description}", table_column=whole),
        BarColumn(min(_BAR_WIDTH, console.width // 5), table_column=whole.copy()),
        state_column(),
        TimeElapsedColumn(table_column=whole.copy()),
        console=console,
    )


def state_column() -> ProgressColumn:
    """The current state, from the bar's field ``state``: the only column that is shortened in long lines.

    rich narrows wrappable columns before all others; the text itself is truncated instead of wrapped.
    """
    from rich.progress import ProgressColumn
    from rich.progress import Task as Bar
    from rich.text import Text

    class StateColumn(ProgressColumn):
        def render(self, task: Bar) -> Text:
            return Text(task.fields["state"], no_wrap=True, overflow="ellipsis")

    return StateColumn()


def reporter(progress: Progress, bar: TaskID, console: Console) -> ProgressCallback:
    """Moves a bar; without one, as in a log file, it prints a line for every tenth of the work."""
    printed = -1

    def report(done: float, state: str) -> None:
        nonlocal printed
        progress.update(bar, completed=done, state=state)
        tenth = int(10 * done)
        if not console.is_terminal and tenth != printed:
            printed = tenth
            console.print(
                f"{progress.tasks[bar].description} {done:.0%} {state}", markup=False, highlight=False, soft_wrap=True
            )

    return report
