"""Measures the overhead of sweeps with simulated attempts: jobs, ledgers, merging, comparing, leases, budget.

    python -m perf.sweeps                               # from 10 to 1,000 shards, some minutes
    python -m perf.sweeps --shards 10,100 --attempts 10
    python -m perf.sweeps --million                     # merging and comparing 1,000,000 attempts; 3 GB on the disk
    python -m perf.sweeps --real                        # sweeps of real attempts, and a plain run of the same

Without ``--real`` no attempt is run: the ledgers have simulated records, and a job copies its shard's ledger. Times are
wall-clock times, with the processor time of all processes in brackets.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import multiprocessing.process
import os
import resource
import subprocess
import sys
import tempfile
import time
import unittest.mock
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from scribe_suite.analysis.comparison import compare_runs
from scribe_suite.ledger.ledger import LedgerWriter, read_ledger, read_lines
from scribe_suite.ledger.records import AttemptRecord, RunEnd, RunHeader
from scribe_suite.plugin.option.shards import part_of, shard_run
from scribe_suite.providers.leases import Leases
from scribe_suite.providers.sweep_budget import Amounts, Budget, SweepBudget, write_budget
from scribe_suite.sweeps.coordinator import Coordinator, Pace, merge_sweep
from scribe_suite.sweeps.folder import SweepFolder, write_whole
from scribe_suite.sweeps.plan import Plan
from scribe_suite.sweeps.rounds import Rounds, write_rounds
from scribe_suite.sweeps.shard_job import ShardJob
from scribe_suite.sweeps.shard_state import Ledgers
from scribe_suite.sweeps.spec import SweepSpec

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_SEED = 1
TASKS = 120
_REPOSITORY = Path(__file__).resolve().parents[1]
#: Sweep of ``--real``, whose attempts are cheap.
_REAL = """
name = "perf"
families = ["probes"]
select = "greater_than and not pca and not real"
levels = "1"
providers = ["null"]
trials = {trials}
shards = {shards}
seed = 1
"""


@contextlib.contextmanager
def timed(what: str, count: int, unit: str) -> Iterator[None]:
    """Print the time of the block, in total and for each of `count` units."""
    begin, cpu = time.perf_counter(), _cpu_s()
    yield
    taken, cpu = time.perf_counter() - begin, _cpu_s() - cpu
    each = f"{1000 * taken / count:9.3f} ({1000 * cpu / count:.3f}) ms"
    print(f"{what:46} {taken:8.2f} ({cpu:.2f}) s {each} per {unit}", flush=True)


def _cpu_s() -> float:
    """Processor time of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def nodeid(number: int) -> str:
    """The node id of a simulated attempt: trials of some hundred tasks and levels."""
    return f"benchmarks/toys/test_toys.py::test_toy[task{number % TASKS}-oracle-t{number // TASKS}]"


def record(number: int) -> AttemptRecord:
    """The record of a simulated attempt, about as long as real ones."""
    return AttemptRecord(
        nodeid=nodeid(number), task=f"toys/task{number % TASKS}", task_version=1, provider="oracle",
        trial=number // TASKS,
        outcome="solved", metrics={"f1": 1.0, "iou": 1.0, "precision": 1.0, "recall": 1.0}, primary="f1", skill=1.0,
        chance=0.1, reference=1.0, confidence=0.9, submissions=1, actions={"execute_code": 7, "submit_answer": 1},
        tokens={"input": 50_000, "cached": 40_000, "output": 4_000}, cost_usd=0.4, instance_seed=number,
        folder=f"toys_task{number % TASKS}_oracle_20260101-000000", started=_NOW, isolation="namespaces",
    )  # fmt: skip


def simulated(folder: Path, shards: int, attempts: int) -> tuple[SweepFolder, Plan]:
    """A finished sweep whose shards have about `attempts` attempts each; ledgers are not synced line by line."""
    with unittest.mock.patch("os.fsync"):
        return _simulated(folder, shards, attempts)


def _simulated(folder: Path, shards: int, attempts: int) -> tuple[SweepFolder, Plan]:
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
    """Inspect all shards twice, merge them, and read the merged ledger."""
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
        with timed(f"{name}: compared", total, "attempt"):
            compare_runs([merged.path])
        print(f"{name}: at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB of memory")


class CopyingJobs:
    """An engine on this machine whose jobs copy a ledger instead of running pytest, and otherwise do the same."""

    name = "local"

    def __init__(self) -> None:
        self._processes: dict[str, multiprocessing.process.BaseProcess] = {}

    def submit(self, jobs: Sequence[ShardJob]) -> Mapping[int, str]:
        """Fork a process for each job."""
        ids = {}
        for job in jobs:
            process = multiprocessing.get_context("fork").Process(target=job)
            process.start()
            ids[job.shard] = str(process.pid)
            self._processes[str(process.pid)] = process
        return ids

    def unfinished(self, jobs: Collection[str]) -> Collection[str]:
        """The jobs that are still running."""
        return {job for job in jobs if self._processes[job].is_alive()}

    def cancel(self, jobs: Collection[str]) -> None:
        """Not needed."""
        raise NotImplementedError


def measure_jobs(shards: int, attempts: int, at_once: int = 8) -> None:
    """A whole sweep from its first job to the merged ledger, and one run that only writes the same records."""
    total = shards * attempts
    with tempfile.TemporaryDirectory() as temporary:
        prepared, plan = simulated(Path(temporary) / "prepared", shards, attempts)
        swept = SweepFolder(Path(temporary) / "swept")
        write_whole(swept.plan, plan.model_dump_json())
        write_rounds(swept.rounds, Rounds())

        def command(_: Plan, shard: int, folder: SweepFolder, ledger: Path | None) -> list[str]:
            assert ledger is None
            target = folder.results(shard)
            return ["sh", "-c", f"mkdir -p {target} && cp {prepared.results(shard)}/*.jsonl {target}"]

        said: list[str] = []
        with (
            unittest.mock.patch.object(Plan, "command", command),
            timed(f"{shards} jobs, {total} attempts: sweep", shards, "shard"),
        ):
            leading = Coordinator(swept, plan, CopyingJobs(), Pace(at_once, look_s=0.1), said.append)
            assert leading.lead() == 0, said
        whole = RunHeader.model_validate(
            next(iter(read_lines(next(prepared.results(min(plan.shards)).glob("*.jsonl"))))).model_dump()
            | {"planned": tuple(plan.attempts), "shard": None}
        )
        with timed(f"{shards} jobs, {total} attempts: plain", total, "attempt"):
            writer = LedgerWriter(Path(temporary) / "plain.jsonl", whole)
            for number in range(total):
                writer.append(record(number))
            writer.close(RunEnd(finished=_NOW, exit_code=0))


def measure_real(trials: int = 12) -> None:
    """Plain runs and sweeps of the same real attempts."""
    suite = [sys.executable, "-P", "-m", "scribe_suite.cli"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["src", os.environ.get("PYTHONPATH", "")])}

    def call(*words: str) -> None:
        subprocess.run([*suite, *words], cwd=_REPOSITORY, env=environment, stdout=subprocess.DEVNULL)

    with tempfile.TemporaryDirectory() as temporary:
        options = ["--provider=null", f"--trials={trials}", "--level=1", "-k", "greater_than and not pca and not real"]
        options += ["--instance-seed=1", "--live=off", "-p", "no:cacheprovider"]
        for count in (0, 1, 2, 4, 0):
            if count == 0:
                with timed(f"{trials} attempts, plain run", trials, "attempt"):
                    call("run", "probes", *options, "-n", "1", f"--results-dir={temporary}/plain")
                continue
            spec, folder = Path(temporary) / f"{count}.toml", f"{temporary}/sweep{count}"
            spec.write_text(_REAL.format(trials=trials, shards=count))
            call("sweep", "plan", str(spec), "--output", folder)
            with timed(f"{trials} attempts, sweep of {count} shards, one at a time", count, "shard"):
                call("sweep", "run", folder, "--interval", "0.5")
            assert len(read_ledger(Path(folder) / "perf.jsonl").attempts) == trials


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
    """Reserve and settle amounts, next to the spending of other processes."""
    with tempfile.TemporaryDirectory() as temporary:
        sweep = Path(temporary)
        write_budget(sweep, Budget(attempts=1_000_000))
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
    parser.add_argument("--million", action="store_true", help="merge and compare 10^3 to 10^6 attempts, and no more")
    parser.add_argument("--real", action="store_true", help="make real attempts, and no more")
    options = parser.parse_args()
    if options.million:
        for attempts in (10, 100, 1_000, 10_000):
            measure_ledgers(100, attempts)
        return
    if options.real:
        measure_real()
        return
    for shards in map(int, options.shards.split(",")):
        measure_jobs(shards, options.attempts)
    for shards in map(int, options.shards.split(",")):
        measure_ledgers(shards, options.attempts)
    for processes, places in ((1, 1), (4, 2), (16, 8)):
        measure_leases(processes, places)
    for files in (10, 100):
        measure_budget(files)


if __name__ == "__main__":
    main()
