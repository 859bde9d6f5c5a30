"""``scribe-suite plant``: train base models one after another, with a progress bar, and resume where it stopped."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from scribe_suite.cli.parsers import EXIT_INTERRUPTED, Commands, add_command
from scribe_suite.cli.seed_lists import seed_list, seed_text
from scribe_suite.errors import FrozenModelError

if TYPE_CHECKING:
    from rich.console import Console

    from scribe_suite.tasks.task import PlantedTask

EXIT_NOT_PLANTED = 1


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "plant",
        run,
        summary="train, certify and freeze base models of a task",
        description="Train, certify and freeze base models of a task, one for each seed, under ground_truth/frozen/. "
        "Seeds that are frozen and valid already are skipped, so an interrupted run continues where it stopped; if "
        "they were frozen for other tasks, the checks of this one are added without training. A model whose "
        "certificate fails is reported and not written.",
        examples=("scribe-suite plant circuits/mlp_only --seeds 0-5",),
    )
    parser.add_argument("task", help="task id, for example circuits/mlp_only")
    parser.add_argument(
        "--seeds", type=seed_list, default=[0], metavar="N|A-B|LIST", help="for example 0-5 (default: 0)"
    )
    parser.add_argument("--force", action="store_true", help="train again even if frozen already")


def run(options: argparse.Namespace) -> int:
    """Plant what is asked for."""
    from scribe_suite.tasks.registry import default_registry

    return plant(default_registry().planted(options.task), options.seeds, keep_valid=not options.force)


def plant(task: PlantedTask, seeds: Sequence[int], *, keep_valid: bool) -> int:
    """Plant one base model per seed.

    Args:
        task: Whose base models.
        seeds: Training seeds.
        keep_valid: Train nothing for seeds whose models are frozen already and can be trusted. Where a model was frozen
            for other tasks and lacks the checks of this one, add them.

    Returns:
        0; 1 when a seed could not be planted (the others are); 130 when the user interrupted it.
    """
    from rich.console import Console

    from scribe_suite.cli.consoles import say

    console = Console()
    kept: list[int] = []
    failed: list[int] = []
    interrupted = False
    try:
        _plant_all(task, seeds, console, kept, failed, keep_valid=keep_valid)
    except KeyboardInterrupt:
        interrupted = True
    if failed:
        console.print(f"Not planted: seeds {seed_text(failed)}. Try other seeds.", markup=False)
    if interrupted:
        done = {*kept, *failed}
        left = [seed for seed in seeds if seed not in done]
        say(_after_interruption(task, kept, left, keep_valid), console)
        return EXIT_INTERRUPTED
    return EXIT_NOT_PLANTED if failed else 0


def _plant_all(
    task: PlantedTask, seeds: Sequence[int], console: Console, kept: list[int], failed: list[int], *, keep_valid: bool
) -> None:
    """Plant one seed after another, with a bar for each; `kept` and `failed` are up to date at any time."""
    from scribe_suite.planting.runner import plant_seed
    from scribe_suite.progress import progress_bars, reporter

    with progress_bars(console) as progress:
        for seed in seeds:
            bar = progress.add_task(f"{task.id} seed {seed}", total=1.0, state="")
            try:
                state = plant_seed(task, seed, reporter(progress, bar, console), keep_valid=keep_valid)
            except FrozenModelError as error:
                failed.append(seed)
                progress.update(bar, state="not certified")
                console.print(str(error), markup=False)
            else:
                progress.update(bar, completed=1.0, state=state)
                kept.append(seed)


def _after_interruption(task: PlantedTask, kept: Sequence[int], left: Sequence[int], keep_valid: bool) -> str:
    finished = f"frozen and kept are seeds {seed_text(kept)}" if kept else "no seed was finished"
    if not left:
        return f"Interrupted: {finished}; nothing is left to do."
    force = "" if keep_valid else " --force"
    return f"Interrupted: {finished}. Continue with: scribe-suite plant {task.id} --seeds {seed_text(left)}{force}"
