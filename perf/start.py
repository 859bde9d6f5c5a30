"""Measures the start-up time of commands and of the first attempt of a run: wall and CPU seconds of whole processes.

    python perf/start.py                      # this checkout
    python perf/start.py --against ../old     # alternating with another checkout
    python perf/start.py --first-attempt      # a run with two workers, from the start to the first attempt

Figures are medians of several runs. The first run of each command is not counted: it fills the file cache and, where
the facts of the tasks are not cached yet, imports the task files. CPU seconds are reliable on a busy machine, wall
seconds only on an idle one; the load is printed with them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMAND_LINE = ("-m", "scribe_suite.cli")
COMMANDS = {
    "scribe-suite --help": (*COMMAND_LINE, "--help"),
    "scribe-suite tasks": (*COMMAND_LINE, "tasks"),
    "scribe-suite providers": (*COMMAND_LINE, "providers"),
    "scribe-suite models list": (*COMMAND_LINE, "models", "list"),
    "scribe-suite watch --once": (*COMMAND_LINE, "watch", "--once"),
    "pytest benchmarks --collect-only": ("-m", "pytest", "benchmarks", "--collect-only", "-q"),
}


def main() -> None:
    """Measure, and print a line per command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkout")
    parser.add_argument("-n", "--runs", type=int, default=5, help="of each command (default: 5)")
    parser.add_argument("--first-attempt", action="store_true", help="measure a run with two workers instead")
    options = parser.parse_args()
    checkouts = [ROOT, *([options.against.resolve()] if options.against else [])]
    if options.first_attempt:
        for checkout in checkouts:
            header, first = first_attempt(checkout)
            print(f"{checkout.name}: ledger after {header:.1f} s, first attempt after {first:.1f} s ({load()})")
        return
    for name, arguments in COMMANDS.items():
        times: dict[Path, list[tuple[float, float]]] = {checkout: [] for checkout in checkouts}
        for _ in range(options.runs + 1):
            for checkout in checkouts:
                times[checkout].append(measured(checkout, arguments))
        cells = [f"wall {_median(found, 0):6.2f} s  CPU {_median(found, 1):6.2f} s" for found in times.values()]
        print(f"{name:34}{'   |   '.join(cells)}")
    print(f"{' | '.join(checkout.name for checkout in checkouts)}; {load()}")


def measured(checkout: Path, arguments: Sequence[str]) -> tuple[float, float]:
    """Wall and CPU seconds of one process in a checkout, its children included."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=checkout,
        env=_environment(checkout),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, _, usage = os.wait4(process.pid, 0)
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime


def first_attempt(checkout: Path) -> tuple[float, float]:
    """Seconds from the start of pytest with two workers until there is a ledger, and until an attempt has begun."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["benchmarks/circuits", "-n", "2", "-k", "mlp_only or ioi", "-q", "--results-dir", folder]
        began = time.time()
        subprocess.run(
            [sys.executable, "-m", "pytest", *arguments],
            cwd=checkout,
            env=_environment(checkout),
            stdout=subprocess.DEVNULL,
            check=True,
        )
        (ledger,) = Path(folder).glob("*.jsonl")
        lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    starts = {kind: min(_seconds(line) for line in lines if line["line"] == kind) for kind in ("header", "attempt")}
    return starts["header"] - began, starts["attempt"] - began


def load() -> str:
    """The load of the machine."""
    return f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"


def _environment(checkout: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(checkout / "src"), "SCRIBE_SUITE_ROOT": str(checkout)}


def _median(times: Sequence[tuple[float, float]], column: int) -> float:
    return statistics.median(time[column] for time in times[1:])


def _seconds(line: dict[str, str]) -> float:
    return datetime.fromisoformat(line["started"]).timestamp()


if __name__ == "__main__":
    main()
