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
#: The ways of showing a run, described in Markdown.
LIVE_MEANINGS: Mapping[Live, str] = {
    "auto": "the default: the table in a terminal; lines elsewhere, with `-s` (what tests print would overwrite the "
    "table) and where `TERM` is `dumb`; nothing with `-qq`",
    "table": "the table, with `-s` too; refused where there is no terminal",
    "lines": "lines in a terminal too",
    "off": "neither; `scribe-suite watch` still works",
}
TaskSource = Literal["planted", "real", "all"]
SeedMode = Literal["fresh", "fixed"]

#: Field of `Limits` -> its name in ledgers.
LIMIT_NAMES: Mapping[str, str] = {
    "wall_s": "agent_timeout_s",
    "cell_s": "cell_timeout_s",
    "turns": "max_turns",
    "tokens": "max_tokens",
    "cost_usd": "max_cost_usd",
}


@dataclass(frozen=True)
class RunIdentity:
    """The identity of a run; decided once, by the controller.

    Attributes:
        run: Run id.
        run_seed: The seed from which instance seeds are derived.
        seed_mode: ``fresh`` when `run_seed` was drawn, ``fixed`` when the user gave it; in a replay, that of the
            replayed run.
        results_dir: The absolute path of the results folder.
        only: Node ids of the tests that are run, or None for all.
    """

    run: str
    run_seed: int
    seed_mode: SeedMode
    results_dir: Path
    only: frozenset[str] | None

    @property
    def ledger_path(self) -> Path:
        """The path of the run's ledger."""
        return self.results_dir / f"{self.run}.jsonl"

    @property
    def shared_dir(self) -> Path:
        """A folder that all workers of this run share; created on first use."""
        return self.results_dir / ".shared" / self.run


@dataclass(frozen=True, kw_only=True)
class Settings(RunIdentity):
    """A run and its options; each field comes from a row of the table of options, which also has the defaults.

    Attributes:
        providers: The providers that attempt every task.
        trials: How often each of them does, each time on another instance.
        limits: The limits of each attempt.
        pass_mark: The value of ``--pass-mark``, or None, where the test's marker or the task decides.
        record_only: Whether a test passes regardless of what the agent did, because only the record matters.
        isolation: The requested isolation; the tier that is used is in each record.
        model_source: Whether tasks on planted models, on a real model, or both are run.
        levels: Which levels of the tasks are run.
        arms: How models are handed over.
        model: Specification of the real language model of measured tasks, or None for the default.
        device: The device for real language models: ``auto``, ``cpu`` or ``cuda``.
        max_concurrent: Provider -> how many of its attempts may run at the same time; by default as many as there are
            workers.
        live: How the run is shown during the tests.
        live_interval_s: Seconds between two lines that show it.
        shard: The part of the tests that is run, or None for all.
        sweep: Absolute folder of the sweep that this run belongs to, or None.
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
        """The folders of ledgers and attempts: this run's, and those of its whole sweep with their plan."""
        if self.sweep is None:
            return (self.results_dir,)
        return (self.sweep,) if self.results_dir.is_relative_to(self.sweep) else (self.results_dir, self.sweep)

    def selects(self, nodeid: str) -> bool:
        """Whether a collected test is run."""
        if self.only is not None and nodeid not in self.only:
            return False
        return self.shard is None or self.shard.holds(nodeid)


SETTINGS = pytest.StashKey[Settings]()


def limit_facts(limits: Limits) -> dict[str, float]:
    """Limits by their names in the ledger, without those that are not set."""
    named = {name: getattr(limits, limit) for limit, name in LIMIT_NAMES.items()}
    return {name: value for name, value in named.items() if value is not None}
