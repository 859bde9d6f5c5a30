"""Measures time and memory of reference attempts by phase, and the time of the whole benchmark with -n 0, 1, 2.

    python perf/attempt.py            # both
    python perf/attempt.py --attempts # one reference attempt per task, split by phase
    python perf/attempt.py --bench    # the whole benchmark, side by side

Times come from the ledger of real pytest runs; memory is sampled over the process tree of each run. Machines differ and
are noisy: read the figures as ratios within one output.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from scribe_suite.ledger.ledger import Ledger, read_ledger
from scribe_suite.tasks.registry import default_registry

_SAMPLE_S = 0.1
_MB = 1 << 20


@dataclass(frozen=True)
class Measured:
    """One pytest run.

    Attributes:
        wall_s: Seconds from start to exit.
        harness_mb: Largest resident memory of the pytest process.
        others_mb: Largest sum over all its descendants (workers, kernels, pumps).
        ledger: The ledger that it wrote.
    """

    wall_s: float
    harness_mb: float
    others_mb: float
    ledger: Ledger


def measure(*arguments: str) -> Measured:
    """Run pytest on the benchmark and watch its memory.

    Raises:
        RuntimeError: If the run fails; the figures of a failed run are meaningless.
    """
    with tempfile.TemporaryDirectory(prefix="scribe-perf-") as results:
        command = [sys.executable, "-m", "pytest", "benchmarks", "-q", "--results-dir", results, *arguments]
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            harness, others = _watch(process)
            output = process.stdout.read() if process.stdout else ""
        wall = time.perf_counter() - start
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} exited with {process.returncode}:\n{output[-3000:]}")
        (path,) = Path(results).glob("*.jsonl")
        return Measured(wall, harness / _MB, others / _MB, read_ledger(path))


def _watch(process: subprocess.Popen[str]) -> tuple[int, int]:
    """Largest resident sizes in bytes until the process ends: itself, its descendants."""
    root = psutil.Process(process.pid)
    harness = others = 0
    while process.poll() is None:
        try:
            harness = max(harness, root.memory_info().rss)
            others = max(others, sum(_resident(child) for child in root.children(recursive=True)))
        except psutil.Error:
            break
        time.sleep(_SAMPLE_S)
    return harness, others


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def attempts_table() -> Table:
    """One reference attempt per task, alone on the machine, split by phase."""
    table = Table(title="One reference attempt (-n 0)", title_justify="left")
    for title in (
        "Task",
        "run s",
        "set-up s",
        "kernel s",
        "agent s",
        "scoring s",
        "teardown s",
        "harness MB",
        "kernel MB",
    ):
        table.add_column(title, justify="left" if title == "Task" else "right")
    for task in default_registry().of_source("planted"):
        measured = measure("-n", "0", "--instance-seed", "1", "-k", f"{task.name}-reference-t0")
        (record,) = (attempt for attempt in measured.ledger.attempts if attempt.task == task.id)
        times = record.times
        phases = (times.setup_s, times.kernel_s, times.agent_s, times.scoring_s, times.teardown_s)
        table.add_row(
            task.id,
            f"{measured.wall_s:.1f}",
            *("-" if phase is None else f"{phase:.2f}" for phase in phases),
            f"{measured.harness_mb:.0f}",
            f"{measured.others_mb:.0f}",
        )
    table.caption = (
        "kernel s (start of kernels and their set-up cell) is part of agent s: the agent starts its sessions"
    )
    return table


def bench_table() -> Table:
    """The whole benchmark with the reference provider, by number of workers."""
    table = Table("workers", "wall s", "ratio to -n 0", "harness MB", "others MB", title="pytest benchmarks")
    alone: float | None = None
    for workers in ("0", "1", "2"):
        measured = measure("-n", workers, "--instance-seed", "1")
        alone = alone or measured.wall_s
        table.add_row(
            f"-n {workers}",
            f"{measured.wall_s:.1f}",
            f"{measured.wall_s / alone:.2f}",
            f"{measured.harness_mb:.0f}",
            f"{measured.others_mb:.0f}",
        )
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attempts", action="store_true", help="only the attempts")
    parser.add_argument("--bench", action="store_true", help="only the whole benchmark")
    options = parser.parse_args()
    both = options.attempts == options.bench
    console = Console() if sys.stdout.isatty() else Console(width=120)
    if both or options.attempts:
        console.print(attempts_table())
    if both or options.bench:
        console.print(bench_table())


if __name__ == "__main__":
    main()
