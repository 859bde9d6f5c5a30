"""``scribe-suite plant``: train base models one after another, with a progress bar, and go on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from rich.console import Console

from scribe_suite.errors import FrozenModelError
from scribe_suite.planting.frozen import frozen_folder, load_frozen
from scribe_suite.progress import ProgressCallback, progress_bars, reporter
from scribe_suite.tasks.task import PlantedTask

EXIT_NOT_PLANTED = 1
EXIT_INTERRUPTED = 130


def plant(task: PlantedTask, seeds: Sequence[int], *, keep_valid: bool) -> int:
    """Plant one base model per seed.

    Args:
        task: Whose base models.
        seeds: Training seeds.
        keep_valid: Train nothing for seeds that are frozen already and can be trusted; where they lack the checks of
            this task, because they were frozen for others, add those.

    Returns:
        0; 1 when a seed could not be planted (the others are); 130 when the user interrupted it.
    """
    torch.set_num_threads(1)  # a model is the same again only with the same number of threads
    console = Console()
    kept: list[int] = []
    failed: list[int] = []
    interrupted = False
    try:
        with progress_bars(console) as progress:
            for seed in seeds:
                bar = progress.add_task(f"{task.id} seed {seed}", total=1.0, state="")
                try:
                    state = _planted(task, seed, reporter(progress, bar, console), keep_valid=keep_valid)
                except FrozenModelError as error:
                    failed.append(seed)
                    progress.update(bar, state="not certified")
                    console.print(str(error), markup=False)
                else:
                    progress.update(bar, completed=1.0, state=state)
                    kept.append(seed)
    except KeyboardInterrupt:
        interrupted = True
    if failed:
        console.print(f"Not planted: seeds {seed_text(failed)}. Try other seeds.", markup=False)
    if interrupted:
        done = {*kept, *failed}
        left = [seed for seed in seeds if seed not in done]
        # in one line however long, so that the command can be copied
        text = _after_interruption(task, kept, left, keep_valid)
        console.print(text, markup=False, highlight=False, soft_wrap=True)
        return EXIT_INTERRUPTED
    return EXIT_NOT_PLANTED if failed else 0


def _planted(task: PlantedTask, seed: int, report: ProgressCallback, *, keep_valid: bool) -> str:
    """Plant one base model, or certify one that is there for this task; what was done, in words."""
    if not keep_valid or not _is_valid(task, seed):
        task.plant(seed, report)
        return "frozen"
    return "certified for this task" if task.add_checks(seed, report) else "is frozen already"


def seed_text(seeds: Sequence[int]) -> str:
    """Seeds as ``--seeds`` reads them, in order: ``0-2,7``."""
    runs: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _after_interruption(task: PlantedTask, kept: Sequence[int], left: Sequence[int], keep_valid: bool) -> str:
    finished = f"frozen and kept are seeds {seed_text(kept)}" if kept else "no seed was finished"
    if not left:
        return f"Interrupted: {finished}; nothing is left to do."
    force = "" if keep_valid else " --force"
    return f"Interrupted: {finished}. Go on with: scribe-suite plant {task.id} --seeds {seed_text(left)}{force}"


def _is_valid(task: PlantedTask, seed: int) -> bool:
    try:
        load_frozen(frozen_folder(task) / f"seed{seed}.json", task)
    except FrozenModelError:
        return False
    return True
