"""Measures fresh instances of tasks in several processes, and parses the options that select them."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

import torch
from rich.progress import track

_Found = TypeVar("_Found")


def instance_options(description: str | None, which: str, instances: int) -> argparse.ArgumentParser:
    """A parser with ``--tasks``, ``--instances`` and ``--jobs``.

    Args:
        description: The script's docstring.
        which: The tasks that are measured when none are named.
        instances: Number of instances per task, when none is given.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="*", metavar="FAMILY/NAME", help=f"which tasks (default: {which})")
    parser.add_argument(
        "--instances", type=int, default=instances, help=f"fresh instances per task (default: {instances})"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    return parser


def measured_instances(
    measure: Callable[[str, int], _Found], seeds: Mapping[str, Sequence[int]], jobs: int
) -> Iterator[tuple[str, list[_Found]]]:
    """Measure the instances of some tasks; yield a task as soon as all of its instances are measured.

    Args:
        measure: Measures one instance, by the task's id and the seed; must be picklable.
        seeds: Task's id -> seeds of its instances.
        jobs: Number of processes, with one thread each.
    """
    units = [(task_id, seed) for task_id, several in seeds.items() for seed in several]
    found: dict[str, list[_Found]] = {task_id: [] for task_id in seeds}
    for (task_id, _), one in measured_units(measure, units, jobs):
        found[task_id].append(one)
        if len(found[task_id]) == len(seeds[task_id]):
            yield task_id, found[task_id]


def measured_units(
    measure: Callable[[str, int], _Found], units: Sequence[tuple[str, int]], jobs: int
) -> Iterator[tuple[tuple[str, int], _Found]]:
    """Measure some instances; yield each result with its task's id and seed as soon as it is available, in order.

    Args:
        measure: As for `measured_instances`.
        units: Ids of tasks and seeds.
        jobs: Number of processes, with one thread each.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_one_thread) as pool:
        futures = [pool.submit(measure, *unit) for unit in units]
        try:
            for unit, future in zip(track(units, "instances", disable=not sys.stderr.isatty()), futures, strict=True):
                yield unit, future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # a caller that stops early does not wait for the rest


def _one_thread() -> None:
    torch.set_num_threads(1)
