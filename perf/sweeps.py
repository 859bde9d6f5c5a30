"""What sweeps cost: looking at ledgers, merging, leases and budget; with simulated attempts, from 10 to 1,000 shards.

    python -m perf.sweeps                        # all of it, some minutes
    python -m perf.sweeps --shards 10,100 --attempts 10

Nothing is run but what a sweep does beside its attempts: the ledgers have records that no agent made.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from scribe_suite.ledger.ledger import LedgerWriter, read_ledger
from scribe_suite.ledger.records import AttemptRecord, RunEnd, RunHeader
from scribe_suite.plugin.option.shards import part_of, shard_run
from scribe_suite.providers.leases import Leases
from scribe_suite.providers.sweep_budget import Amounts, SweepBudget
from scribe_suite.sweeps.coordinator import merge_sweep
from scribe_suite.sweeps.folder import SweepFolder
from scribe_suite.sweeps.plan import Plan
from scribe_suite.sweeps.shard_state import Ledgers
from scribe_suite.sweeps.spec import SweepSpec

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_SEED = 1


@contextlib.contextmanager
def timed(what: str, count: int, unit: str) -> Iterator[None]:
    """Print how long the block takes, in all and for each of `count` things."""
    begin = time.perf_counter()
    yield
    taken = time.perf_counter() - begin
    print(f"{what:44} {taken:8.2f} s {1000 * taken / count:10.3f} ms per {unit}", flush=True)


def nodeid(number: int) -> str:
    """Of a simulated attempt: ten trials of each task."""
    return f"benchmarks/toys/test_toys.py::test_toy[task{number // 10}-oracle-t{number % 10}]"


def record(number: int) -> AttemptRecord:
    """Of a simulated attempt, about as long as real ones."""
    return AttemptRecord(
        nodeid=nodeid(number), task=f"toys/task{number // 10}", task_version=1, provider="oracle", trial=number % 10,
        outcome="solved", metrics={"f1": 1.0, "iou": 1.0, "precision": 1.0, "recall": 1.0}, primary="f1", skill=1.0,
        chance=0.1, reference=1.0, confidence=0.9, submissions=1, actions={"execute_code": 7, "submit_answer": 1},
        tokens={"input": 50_000, "cached": 40_000, "output": 4_000}, cost_usd=0.4, instance_seed=number,
        folder=f"toys_task{number // 10}_oracle_20260101-000000", started=_NOW, isolation="namespaces",
    )  # fmt: skip


def simulated(folder: Path, shards: int, attempts: int) -> tuple[SweepFolder, Plan]:
    """A sweep whose shards have run; each with about so many attempts."""
    dealt: dict[int, list[int]] = {}
    for number in range(shards * attempts):
        dealt.setdefault(part_of(nodeid(number), shards), []).append(number)
    spec = SweepSpec(name="toys", providers=("oracle",), shards=shards, seed=_SEED)
    planned = {shard: tuple(map(nodeid, numbers)) for shard, numbers in sorted(dealt.items())}
    plan = Plan(spec=spec, root="/", planned=_NOW, shards=planned)
    made = SweepFolder(folder)
    for shard, numbers in dealt.items():
        header = RunHeader(
            run=shard_run(shard), started=_NOW, planned=planned[shard], providers=("oracle",), trials=10,
            run_seed=_SEED, seed_mode="fixed", shard=f"{shard}/{shards}", isolation="namespaces", limits={},
            lock={"git": {"commit": "0"}},
        )  # fmt: skip
        writer = LedgerWriter(made.results(shard) / f"{shard_run(shard)}.jsonl", header)
        for number in numbers:
            writer.append(record(number))
        writer.close(RunEnd(finished=_NOW, exit_code=0))
    return made, plan


def measure_ledgers(shards: int, attempts: int) -> None:
    """Look at all shards, look again, merge, and read the whole."""
    total = shards * attempts
    with tempfile.TemporaryDirectory() as temporary:
        name = f"{shards} shards, {total} attempts"
        with timed(f"{name}: written", total, "attempt"):
            folder, plan = simulated(Path(temporary), shards, attempts)
        ledgers = Ledgers(folder, plan)
        with timed(f"{name}: first look", shards, "shard"):
            ledgers.states()
        with timed(f"{name}: next look", shards, "shard"):
            ledgers.states()
        with timed(f"{name}: merged", total, "attempt"):
            merged = merge_sweep(folder, plan)
        assert merged is not None
        with timed(f"{name}: read", total, "attempt"):
            assert len(read_ledger(merged.path).records) == total


def _take(folder: Path, names: list[str], rounds: int) -> None:
    leases = Leases(folder)
    for _ in range(rounds):
        while (lease := leases.take(names)) is None:
            time.sleep(0.005)
        lease.close()


def measure_leases(processes: int, places: int, rounds: int = 25) -> None:
    """Take and give back places, by several processes at once."""
    with tempfile.TemporaryDirectory() as temporary:
        names = [f"agent.{place}" for place in range(places)]
        started = [
            multiprocessing.get_context("fork").Process(target=_take, args=(Path(temporary), names, rounds))
            for _ in range(processes)
        ]
        with timed(f"{processes} processes, {places} places", processes * rounds, "place"):
            for process in started:
                process.start()
            for process in started:
                process.join()


def measure_budget(files: int, attempts: int = 20) -> None:
    """Promise and settle, beside what other processes have spent."""
    with tempfile.TemporaryDirectory() as temporary:
        sweep = Path(temporary)
        for _ in range(files):
            with SweepBudget(sweep).attempt(Amounts(attempts=1)):
                pass
        budget = SweepBudget(sweep)
        with timed(f"budget beside {files} processes", attempts, "attempt"):
            for _ in range(attempts):
                with budget.attempt(Amounts(attempts=1)):
                    pass


def main() -> None:
    """Measure all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", default="10,100,1000", help="numbers of shards (default: 10,100,1000)")
    parser.add_argument("--attempts", type=int, default=20, help="of a shard (default: 20)")
    options = parser.parse_args()
    for shards in map(int, options.shards.split(",")):
        measure_ledgers(shards, options.attempts)
    for processes, places in ((1, 1), (4, 2), (16, 8)):
        measure_leases(processes, places)
    for files in (10, 100):
        measure_budget(files)


if __name__ == "__main__":
    main()
