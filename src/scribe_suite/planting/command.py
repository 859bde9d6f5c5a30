"""``scribe-suite plant``: train base models one after another, with a progress bar, and go on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from scribe_suite.errors import FrozenModelError
from scribe_suite.planting.frozen import frozen_folder, load_frozen
from scribe_suite.tasks.task import ProgressCallback, Task

EXIT_NOT_PLANTED = 1


def plant(task: Task, seeds: Sequence[int], *, keep_valid: bool) -> int:
    """Plant one base model per seed.

    Args:
        task: Whose base models.
        seeds: Training seeds.
        keep_valid: Skip seeds that are frozen already and can be trusted.

    Returns:
        0, or 1 when a seed could not be planted; the others are.
    """
    torch.set_num_threads(1)  # a model is the same again only with the same number of threads
    console = Console()
    failed: list[int] = []
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        for seed in seeds:
            bar = progress.add_task(f"{task.id} seed {seed}", total=1.0, state="")
            if keep_valid and _is_valid(task, seed):
                progress.update(bar, completed=1.0, state="is frozen already")
                continue
            try:
                task.plant(seed, _reporter(progress, bar, console))
            except FrozenModelError as error:
                failed.append(seed)
                progress.update(bar, state="not certified")
                console.print(str(error), markup=False)
            else:
                progress.update(bar, completed=1.0, state="frozen")
    if failed:
        console.print(f"Not planted: seeds {', '.join(map(str, failed))}. Try other seeds.", markup=False)
        return EXIT_NOT_PLANTED
    return 0


def _reporter(progress: Progress, bar: TaskID, console: Console) -> ProgressCallback:
    """Moves the bar; where there is none, as in a log file, it prints a line for every tenth of the work instead."""
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


def _is_valid(task: Task, seed: int) -> bool:
    try:
        load_frozen(frozen_folder(task) / f"seed{seed}.json", task)
    except FrozenModelError:
        return False
    return True
