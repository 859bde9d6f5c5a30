"""The progress of a sweep's shards, read from their ledgers only: an engine's job states are not used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.ledger import read_lines
from scribe_suite.ledger.outcomes import INFRASTRUCTURE, rule_of
from scribe_suite.ledger.records import RunHeader
from scribe_suite.sweeps.folder import SweepFolder
from scribe_suite.sweeps.plan import Plan
from scribe_suite.watching.watch import LedgerCounts

#: The outcome of an attempt that did not start because the sweep's budget was spent.
NO_BUDGET = f"{INFRASTRUCTURE}sweep_budget"


@dataclass
class Cost:
    """The cost of one provider's attempts, including failed ones: they cost money too.

    Attributes:
        attempts: Number of records.
        hours: Hours of agents' time.
        usd: US dollars, where known.
        unknown: Records without a cost, of attempts in which the agent worked.
    """

    attempts: int = 0
    hours: float = 0.0
    usd: float = 0.0
    unknown: int = 0


@dataclass
class ShardLedger(LedgerCounts):
    """A growing ledger of a shard; each read continues where the last one ended.

    Attributes:
        shard: ``K/N`` from its header.
        seed: The seed from its header.
        costs: Provider -> cost.
        reasons: Node id -> the reason of its last record.
    """

    shard: str | None = None
    seed: int | None = None
    costs: dict[str, Cost] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def _take(self, line: dict[str, Any]) -> None:
        super()._take(line)
        if line["line"] == "header":
            self.shard, self.seed = line["shard"], line["run_seed"]
        elif line["line"] == "attempt":
            self.reasons[str(line["nodeid"])] = str(line.get("reason", ""))
            agent_s = (line.get("times") or {}).get("agent_s")
            if agent_s is not None:
                cost = self.costs.setdefault(str(line["provider"]), Cost())
                cost.attempts += 1
                cost.hours += agent_s / 3600
                cost.usd += line.get("cost_usd") or 0.0
                cost.unknown += line.get("cost_usd") is None


@dataclass(frozen=True)
class ShardState:
    """The progress of one shard.

    Attributes:
        shard: Its number.
        owed: Number of attempts that it has to make.
        counted: Number of these that count.
        failed: Outcome -> number of attempts that do not count because of it.
        missing: Number of attempts without a record.
        ended: The exit code in its ledger's last line; None if that has none.
        begun: Whether a ledger exists.
    """

    shard: int
    owed: int
    counted: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    missing: int = 0
    ended: int | None = None
    begun: bool = False

    @property
    def done(self) -> bool:
        """Whether all its attempts count and its ledger is complete."""
        return self.counted == self.owed and self.ended is not None

    @property
    def out_of_budget(self) -> bool:
        """Whether the only attempts left are those that the budget did not allow to start."""
        return bool(self.failed) and not self.missing and set(self.failed) == {NO_BUDGET}


class Ledgers:
    """The ledgers of a sweep, read incrementally.

    Args:
        folder: The sweep's folder.
        plan: The sweep's plan.
    """

    def __init__(self, folder: SweepFolder, plan: Plan) -> None:
        self._folder = folder
        self._plan = plan
        self._read: dict[int, ShardLedger] = {}
        self._done: dict[int, ShardState] = {}

    def state(self, shard: int) -> ShardState:
        """The current progress of a shard.

        Raises:
            ConfigurationError: When its ledger is damaged or belongs to another run.
        """
        if shard in self._done:  # an attempt that counts is never repeated
            return self._done[shard]
        owed = self._plan.shards[shard]
        ledger = self._ledger(shard)
        if ledger is None:
            return ShardState(shard, len(owed), missing=len(owed))
        outcomes = [ledger.outcomes.get(nodeid) for nodeid in owed]
        counted = sum(outcome is not None and rule_of(outcome).counts for outcome in outcomes)
        failed = Counter(outcome for outcome in outcomes if outcome is not None and not rule_of(outcome).counts)
        state = ShardState(shard, len(owed), counted, failed, outcomes.count(None), ledger.finished, begun=True)
        if state.done:
            self._done[shard] = state
        return state

    def states(self) -> list[ShardState]:
        """The current progress of all shards."""
        return [self.state(shard) for shard in self._plan.shards]

    def costs(self) -> dict[str, Cost]:
        """The cost of each provider's attempts at the last read."""
        total: dict[str, Cost] = {}
        for ledger in self._read.values():
            for provider, cost in ledger.costs.items():
                whole = total.setdefault(provider, Cost())
                for name, amount in vars(cost).items():
                    setattr(whole, name, getattr(whole, name) + amount)
        return total

    def outcomes(self) -> list[str]:
        """The current outcomes of attempts, at the last read."""
        return [outcome for ledger in self._read.values() for outcome in ledger.outcomes.values()]

    def reason(self, shard: int) -> str:
        """The reason why an attempt of a shard does not count; empty if no record gives one."""
        ledger = self._read.get(shard)
        if ledger is None:
            return ""
        reasons = (
            ledger.reasons.get(nodeid, "") for nodeid, outcome in ledger.outcomes.items() if not rule_of(outcome).counts
        )
        return next(filter(None, reasons), "")

    def _ledger(self, shard: int) -> ShardLedger | None:
        """The shard's current ledger; None while it has no header."""
        path = self._folder.ledger(shard)
        known = self._read.get(shard)
        if path is None or (known is not None and known.path != path):
            self._read.pop(shard, None)
            known = None
        if path is None:
            return None
        if known is None:
            if not _has_header(path):
                return None
            known = ShardLedger(path)
            _require_ours(self._plan, shard, path, (known.shard, known.seed))
            self._read[shard] = known
        else:
            known.read_on()
        return known


def ledgers_of(folder: SweepFolder, plan: Plan) -> list[Path]:
    """The existing ledgers, in the order of shards; only their headers are read.

    Raises:
        ConfigurationError: When a ledger has no header or belongs to another run.
    """
    paths = []
    for shard in sorted(plan.shards):
        path = folder.ledger(shard)
        if path is not None and _has_header(path):
            header = next(read_lines(path))
            assert isinstance(header, RunHeader)
            _require_ours(plan, shard, path, (header.shard, header.run_seed))
            paths.append(path)
    return paths


def _has_header(path: Path) -> bool:
    """Whether the first line is complete: it may be incomplete during a write, or truncated."""
    with path.open("rb") as file:
        return file.readline().endswith(b"\n")


def _require_ours(plan: Plan, shard: int, path: Path, found: tuple[str | None, int | None]) -> None:
    expected = f"{shard}/{plan.spec.shards}"
    if found != (expected, plan.seed):
        raise ConfigurationError(
            f"{path} is not the ledger of shard {expected} of this sweep: its shard or its seed is another one. Move "
            "it away."
        )


def look_at(folder: SweepFolder, plan: Plan, shard: int) -> ShardState:
    """The progress of one shard, for callers that read it once."""
    return Ledgers(folder, plan).state(shard)
