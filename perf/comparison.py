"""Measures time and peak memory of `scribe-suite compare` over large synthetic ledgers.

    python perf/comparison.py                            # 10,000 and 100,000 attempts
    python perf/comparison.py --attempts 10000 1000000   # other sizes; a million takes a gigabyte of disk

A ledger has 5 providers and 20 tasks in three families, with metrics, tokens, costs, failures of agents and of
infrastructure, and lines as long as real ones. Each comparison runs in a separate process, so peaks are separate. The
growth is the exponent b of CPU time ~ attempts^b between neighbouring sizes.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from scribe_suite.ledger.records import AttemptRecord, RunHeader
from scribe_suite.seeds import derive_seed

PROVIDERS = ("claude", "codex", "gemini", "random", "reference")
METRICS = {
    "circuits": ("iou", "precision", "recall", "f1"),
    "neurons": ("success", "f1", "precision", "recall", "rve"),
    "probes": ("accuracy", "auroc", "control_accuracy", "selectivity"),
}
TASKS = tuple(f"{family}/task{number:02}" for number in range(20) for family in [tuple(METRICS)[number % 3]])
OUTCOMES = ("solved", "unsolved", "no_answer", "agent_timeout", "infrastructure:kernel_start")
SHARES = (0.5, 0.35, 0.06, 0.04, 0.05)
STARTED = datetime(2026, 1, 2, tzinfo=UTC)
_MIB = 2**20
_CHILD = """
import resource, sys, time
started = time.perf_counter()
from scribe_suite.cli import main
code = main(["compare", *sys.argv[1:]])
used = resource.getrusage(resource.RUSAGE_SELF)
print(time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def write_ledger(path: Path, attempts: int) -> None:
    """Write a synthetic ledger with this many attempts, the same every time."""
    trials = math.ceil(attempts / (len(TASKS) * len(PROVIDERS)))
    keys = [(task, provider, trial) for trial in range(trials) for task in TASKS for provider in PROVIDERS][:attempts]
    header = RunHeader(
        run=path.stem,
        started=STARTED,
        planned=tuple(_nodeid(*key) for key in keys),
        providers=PROVIDERS,
        trials=trials,
        run_seed=5,
        seed_mode="fixed",
        isolation="namespaces",
        limits={"agent_timeout_s": 1800.0},
        lock={"git": {"commit": "0" * 40, "dirty": False}},
    )
    with path.open("w") as file:
        file.write(header.model_dump_json() + "\n")
        file.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in _lines(keys))


def measure(path: Path) -> tuple[float, float, float]:
    """Seconds, seconds of CPU and peak MiB of one comparison, imports included."""
    command = [sys.executable, "-c", _CHILD, str(path)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    seconds, cpu, peak_kib = map(float, done.stderr.split()[-3:])
    return seconds, cpu, peak_kib * 1024 / _MIB


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attempts", type=int, nargs="+", default=[10_000, 100_000], metavar="N")
    options = parser.parse_args()
    print("| attempts | ledger, MiB | compare, s | CPU, s | peak, MiB | growth |\n|--:|--:|--:|--:|--:|--:|")
    before: tuple[int, float] | None = None
    with tempfile.TemporaryDirectory() as folder:
        for attempts in options.attempts:
            path = Path(folder) / f"synthetic{attempts}.jsonl"
            write_ledger(path, attempts)
            size = path.stat().st_size / _MIB
            seconds, cpu, peak = measure(path)
            growth = "" if before is None else f"{_exponent(before, (attempts, cpu)):.2f}"
            print(f"| {attempts:,} | {size:.0f} | {seconds:.1f} | {cpu:.1f} | {peak:.0f} | {growth} |", flush=True)
            before = attempts, cpu
            path.unlink()
            time.sleep(0.1)


def _exponent(first: tuple[int, float], second: tuple[int, float]) -> float:
    return math.log(second[1] / first[1]) / math.log(second[0] / first[0])


def _lines(keys: list[tuple[str, str, int]]) -> Iterator[dict[str, Any]]:
    generator = np.random.default_rng(0)
    outcomes = generator.choice(len(OUTCOMES), len(keys), p=SHARES)
    numbers = generator.random((len(keys), 8)).tolist()
    template = AttemptRecord(
        nodeid="",
        task="",
        task_version=1,
        provider="",
        trial=0,
        outcome="no_answer",
        chance=0.4,
        reference=1.0,
        pass_mark=0.8,
        model="some-model-2026-01-02",
        end_reason="finished",
        turns=31,
        tool_calls=30,
        cells=25,
        isolation="namespaces",
        base_model="circuits/task/seed1",
        folder="task_provider_20260102-030405",
        artifacts=("notebooks/agent.ipynb", "notebooks/agent.journal.jsonl", "outputs/answer.json"),
        started=STARTED,
        worker="gw0",
    ).model_dump(mode="json")
    for key, outcome, drawn in zip(keys, outcomes.tolist(), numbers, strict=True):
        task, provider, trial = key
        scored = outcome < 2
        metrics = METRICS[task.partition("/")[0]]
        yield template | {
            "nodeid": _nodeid(*key),
            "task": task,
            "provider": provider,
            "trial": trial,
            "outcome": OUTCOMES[outcome],
            "metrics": dict(zip(metrics, drawn, strict=False)) if scored else {},
            "primary": metrics[0] if scored else None,
            "skill": 2 * drawn[0] - 1 if scored else None,
            "submitted": [_point(number, drawn) for number in range(1, 4)] if scored else [],
            "tokens": {"input": int(1e6 * drawn[6]), "output": int(1e5 * drawn[7])},
            "cost_usd": 5 * drawn[6],
            "times": template["times"] | {"agent_s": 900 * drawn[7], "scoring_s": 1.5},
            "instance_seed": derive_seed(5, task, trial),
        }


def _point(number: int, drawn: list[float]) -> dict[str, Any]:
    """One of three submissions, the last of which has the attempt's skill, time and tokens."""
    return {
        "number": number,
        "seconds": 300 * number * drawn[7],
        "skill": (2 * drawn[0] - 1) * number / 3,
        "tokens": int(3e5 * number * drawn[6]),
        "cost_usd": 5 / 3 * number * drawn[6],
        "experiments": None,
        "spent": None,
    }


def _nodeid(task: str, provider: str, trial: int) -> str:
    family, _, name = task.partition("/")
    return f"benchmarks/{family}/test_{family}.py::test_{family[:-1]}[{name}-{provider}-t{trial}]"


if __name__ == "__main__":
    main()
