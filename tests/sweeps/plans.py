"""Plans and ledgers for tests that start no pytest."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scribe_suite.ledger.ledger import LedgerWriter
from scribe_suite.ledger.records import AttemptRecord, RunEnd
from scribe_suite.providers.sweep_budget import Budget, write_budget
from scribe_suite.sweeps.folder import SweepFolder, write_whole
from scribe_suite.sweeps.plan import Plan
from scribe_suite.sweeps.rounds import Rounds, write_rounds
from scribe_suite.sweeps.spec import SweepSpec
from tests.ledger.factories import NOW, attempt, header, resume_ledger

SEED = 11


def spec(**changes: Any) -> SweepSpec:
    values = {"name": "toys", "providers": ["oracle"], "shards": 2, "seed": SEED, "resumptions": 2}
    return SweepSpec.model_validate({**values, **changes})


def records(count: int = 4, **changes: Any) -> list[AttemptRecord]:
    return [attempt(provider="oracle", trial=trial, **changes) for trial in range(count)]


def planned(folder: Path, shards: dict[int, list[AttemptRecord]], **changes: Any) -> tuple[SweepFolder, Plan]:
    """A plan whose shards have these attempts."""
    plan = Plan(
        spec=spec(**changes),
        root="/nowhere",
        planned=datetime.now(UTC),
        shards={number: tuple(one.nodeid for one in owed) for number, owed in shards.items()},
    )
    folder.mkdir(parents=True)
    made = SweepFolder(folder)
    write_whole(made.plan, plan.model_dump_json())
    write_budget(folder, Budget())
    write_rounds(made.rounds, Rounds())
    return made, plan


def write_shard(
    folder: SweepFolder, plan: Plan, number: int, lines: list[AttemptRecord], *, ended: bool = True, **changes: Any
) -> Path:
    """The ledger that a job leaves, or what a resumed one adds to it."""
    known = folder.ledger(number)
    if known is not None:
        return resume_ledger(known, lines, ended=ended)
    path = folder.results(number) / f"shard{number:04}.jsonl"
    values = {
        "planned": plan.shards[number],
        "shard": f"{number}/{plan.spec.shards}",
        "run_seed": SEED,
        "run": path.stem,
    }
    writer = LedgerWriter(path, header(**{**values, **changes}))
    for line in lines:
        writer.append(line)
    if ended:
        writer.close(RunEnd(finished=NOW, exit_code=0))
    else:
        writer.leave()
    return path
