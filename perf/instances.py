"""Measures the time of a fresh instance of every task: by default every attempt has one.

    python perf/instances.py                         # all tasks
    python perf/instances.py circuits/ioi            # one
    python perf/instances.py circuits/ioi --profile  # with a profile

One thread, one process. The first instance of a task, which also reads and checks its base models, has its own column.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import pstats
import statistics
import sys
import time
from collections.abc import Sequence

import torch
from rich.console import Console
from rich.table import Table

from scribe_suite.planting.frozen import frozen_folder, list_frozen
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import PlantedTask, Task

_INSTANCES = 30
_DEMANDED_MS = 100.0
_PROFILED_LINES = 25


def milliseconds(task: Task, seed: int) -> float:
    """Wall time of one instance."""
    start = time.perf_counter()
    task.instance(seed)
    return 1000 * (time.perf_counter() - start)


def measure(tasks: Sequence[Task]) -> Table:
    """First instance, then median and 95th percentile of thirty more."""
    table = Table("Task", title=f"A fresh instance in ms (one thread, {_INSTANCES} seeds)", title_justify="left")
    for title in ("first", "median", "95th percentile", "largest", f"median below {_DEMANDED_MS:.0f}"):
        table.add_column(title, justify="right")
    for task in tasks:
        first = milliseconds(task, 0)
        times = [milliseconds(task, seed) for seed in range(1, _INSTANCES + 1)]
        median, high = statistics.median(times), statistics.quantiles(times, n=20, method="inclusive")[-1]
        verdict = "yes" if median < _DEMANDED_MS else "no"
        table.add_row(task.id, f"{first:.0f}", f"{median:.1f}", f"{high:.1f}", f"{max(times):.1f}", verdict)
    return table


def profile(task: Task) -> str:
    """A profile of thirty instances, by cumulative time."""
    task.instance(0)
    profiler = cProfile.Profile()
    profiler.enable()
    for seed in range(1, _INSTANCES + 1):
        task.instance(seed)
    profiler.disable()
    text = io.StringIO()
    pstats.Stats(profiler, stream=text).sort_stats("cumulative").print_stats(_PROFILED_LINES)
    return text.getvalue()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", metavar="FAMILY/NAME", help="which tasks; all that have base models")
    parser.add_argument("--profile", action="store_true", help="print where the time goes as well")
    options = parser.parse_args()
    torch.set_num_threads(1)
    registry = default_registry()
    tasks = [registry[name] for name in options.tasks] or [
        task
        for task in registry.of_source("planted")
        if isinstance(task, PlantedTask) and list_frozen(frozen_folder(task))
    ]
    console = Console() if sys.stdout.isatty() else Console(width=120)
    console.print(measure(tasks))
    if options.profile:
        for task in tasks:
            console.print(f"\n{task.id}", profile(task), markup=False, highlight=False)


if __name__ == "__main__":
    main()
