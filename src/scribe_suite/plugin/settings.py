"""The settings of a run: its options, parsed; the same in the controller and in every worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from scribe_suite.plugin.option.arms import ArmChoice
from scribe_suite.plugin.option.levels import LevelChoice
from scribe_suite.plugin.option.shards import Shard
from scribe_suite.providers.base import Limits
from scribe_suite.providers.registry import ProviderSpec
from scribe_suite.sandbox.tiers import Isolation

Live = Literal["auto", "table", "lines", "off"]
#: What each way of showing the run does, in Markdown.
LIVE_MEANINGS: Mapping[Live, str] = {
    "auto": "the default: the table in a terminal; lines elsewhere, with `-s` (what tests print would overwrite the "
    "table) and where `TERM` is `dumb`; nothing with `-qq`",
    "table": "the table, with `-s` too; refused where there is no terminal",
    "lines": "lines in a terminal too",
    "off": "neither; `scribe-suite watch` still works",
}
TaskSource = Literal["planted", "real", "all"]
SeedMode = Literal["fresh", "fixed"]

#: Field of `Limits` -> what ledgers call it.
LIMIT_NAMES: Mapping[str, str] = {
    "wall_s": "agent_timeout_s",
    "cell_s": "cell_timeout_s",
    "turns": "max_turns",
    "tokens": "max_tokens",
    "cost_usd": "max_cost_usd",
}


@dataclass(frozen=True)
class RunIdentity:
    """What makes a run this run and no other; decided once, by the controller.

    Attributes:
        run: Run id.
        run_seed: What instance seeds are derived from.
        seed_mode: ``fresh`` when `run_seed` was drawn, ``fixed`` when the user gave it; of a replay, as it was then.
        results_dir: Absolute.
        only: Node ids of the tests that are run, or None for all.
    """

    run: str
    run_seed: int
    seed_mode: SeedMode
    results_dir: Path
    only: frozenset[str] | None

    @property
    def ledger_path(self) -> Path:
        """Where the run's ledger is."""
        return self.results_dir / f"{self.run}.jsonl"

    @property
    def shared_dir(self) -> Path:
        """A folder of this run that all its workers share; made by whoever needs it."""
        return self.results_dir / ".shared" / self.run


@dataclass(frozen=True, kw_only=True)
class Settings(RunIdentity):
    """A run and its options; each field comes from a row of the table of options, which has the defaults too.

    Attributes:
        providers: Who attempts every task.
        trials: How often each of them does, on an instance of its own each time.
        limits: Per attempt.
        pass_mark: From ``--pass-mark``, or None: the test's marker or the task decides.
        record_only: Whether a test passes whatever the agent did, because the run is for its record.
        isolation: What was asked for; the tier in force is in each record.
        model_source: Which tasks are run: those on planted models, those on a real one, or both.
        levels: Which levels of the tasks are run.
        arms: How models are handed over.
        model: Specification of the real language model that measured tasks are about, or None for the default.
        device: Where real language models are to run: ``auto``, ``cpu`` or ``cuda``.
        max_concurrent: By provider, how many of its attempts run at the same time; as many as there are workers where
            nothing is said.
        live: How the run is shown while tests run.
        live_interval_s: Seconds between two lines that show it.
        shard: The part of the tests that is run, or None for all.
        sweep: Absolute folder of the sweep that this run is a part of, or None.
    """

    providers: tuple[ProviderSpec, ...]
    trials: int
    limits: Limits
    pass_mark: float | None
    record_only: bool
    isolation: Isolation
    model_source: TaskSource
    levels: LevelChoice
    arms: ArmChoice
    model: str | None
    device: str
    max_concurrent: Mapping[str, int]
    live: Live
    live_interval_s: float
    shard: Shard | None
    sweep: Path | None

    @property
    def results_folders(self) -> tuple[Path, ...]:
        """Where ledgers and attempts are: those of this run and of the other parts of its sweep, with their plan."""
        if self.sweep is None:
            return (self.results_dir,)
        return (self.sweep,) if self.results_dir.is_relative_to(self.sweep) else (self.results_dir, self.sweep)

    def selects(self, nodeid: str) -> bool:
        """Whether a test that was collected is to be run."""
        if self.only is not None and nodeid not in self.only:
            return False
        return self.shard is None or self.shard.holds(nodeid)


SETTINGS = pytest.StashKey[Settings]()


def limit_facts(limits: Limits) -> dict[str, float]:
    """Limits as the ledger names them; those that are not set are left out."""
    named = {name: getattr(limits, limit) for limit, name in LIMIT_NAMES.items()}
    return {name: value for name, value in named.items() if value is not None}
