"""The plan of a sweep: the attempts of each shard, the command, and the budget.

It is made once, before anything runs, and never changed: it defines which attempts a shard owes.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.burnt_seeds import require_not_burnt
from scribe_suite.ledger.sources import planned_by_provider
from scribe_suite.paths import ROOT_VARIABLE, suite_root
from scribe_suite.plugin.option.shards import part_of
from scribe_suite.providers.registry import costs_money, load_provider, parse_specs
from scribe_suite.providers.sweep_budget import BUDGET_FILE, Amounts, write_budget
from scribe_suite.seeds import fresh_run_seed
from scribe_suite.sweeps.folder import SweepFolder, write_whole
from scribe_suite.sweeps.listing import LISTING
from scribe_suite.sweeps.rounds import Rounds, write_rounds
from scribe_suite.sweeps.spec import SweepSpec

#: Seconds that listing all attempts may take.
_LISTING_S = 600
_LAST_LINES = 5


class Plan(BaseModel):
    """The content of a sweep.

    Attributes:
        format: Version of the file format.
        spec: The specification, with the seed.
        root: Path of the suite on the machine that planned.
        planned: Time of planning.
        skipped: Reason -> number of attempts left out for it.
        shards: Number of a shard, counted from 1 -> node ids of its attempts; empty shards are left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    spec: SweepSpec
    root: str
    planned: datetime
    skipped: dict[str, int] = {}
    shards: dict[int, tuple[str, ...]]

    @property
    def seed(self) -> int:
        """The instance seed of all shards."""
        assert self.spec.seed is not None  # planning sets it
        return self.spec.seed

    @property
    def attempts(self) -> list[str]:
        """Node ids of all attempts."""
        return [nodeid for nodeids in self.shards.values() for nodeid in nodeids]

    def command(self, shard: int, folder: SweepFolder, ledger: Path | None) -> list[str]:
        """The command line of a job.

        Args:
            shard: Number of the shard.
            folder: The sweep's folder on the job's machine.
            ledger: The ledger of a shard to resume, or None for a new one.
        """
        session = ["-n", str(self.spec.workers), "--live=off", f"--sweep={folder.path}", "-p", "no:cacheprovider"]
        session += [f"--max-concurrent={name}={places}" for name, places in self.spec.max_concurrent.items()]
        suite = [sys.executable, "-P", "-m", "scribe_suite.cli"]
        if ledger is not None:
            return [*suite, "run", f"--resume={ledger}", *session]
        return [
            *suite,
            *_families(self.spec),
            *self.spec.options(),
            f"--instance-seed={self.seed}",
            f"--shard={shard}/{self.spec.shards}",
            f"--results-dir={folder.results(shard)}",
            *session,
        ]


@dataclass(frozen=True)
class Estimate:
    """The estimated cost of a plan.

    Attributes:
        expected: The cost by the user's estimate of an attempt, or by its limits.
        at_most: The cost by an attempt's limits; US dollars are infinite without a limit.
    """

    expected: Amounts
    hours_at_most: float
    usd_at_most: float | None


def make_plan(spec: SweepSpec, folder: Path) -> Plan:
    """Plan a sweep and write the plan.

    Args:
        spec: The specification.
        folder: The sweep's folder; must not exist.

    Raises:
        ConfigurationError: When there is nothing to run, pytest refuses the options, the attempts do not fit the
            budget, the seed is burnt, or the folder can't be created.
    """
    if folder.exists():
        raise ConfigurationError(f"{folder} exists: give the sweep another name, or --output another folder.")
    if spec.seed is not None:  # each shard would refuse it
        require_not_burnt(spec.seed, Path("runs"))
    attempts, skipped = _listed(spec)
    if not attempts:
        reasons = f" ({'; '.join(skipped)})" if skipped else ""
        raise ConfigurationError(f"The sweep has no attempts: no test is selected that can be run here{reasons}.")
    if spec.seed is None:
        spec = spec.model_copy(update={"seed": fresh_run_seed()})
    plan = Plan(
        spec=spec,
        root=str(suite_root()),
        planned=datetime.now(UTC),
        skipped=skipped,
        shards=_dealt(attempts, spec.shards),
    )
    exceeded = spec.budget.exceeded(estimate(plan).expected)
    if exceeded:
        raise ConfigurationError(
            f"The sweep does not fit its budget: it will take {' and '.join(exceeded)}, with {_measure(spec)} for an "
            "attempt. Ask for less, raise the budget, or state in [expected] what an attempt takes."
        )
    try:
        folder.mkdir(parents=True)
        made = SweepFolder(folder.resolve())
        write_budget(made.path, spec.budget)
        write_rounds(made.rounds, Rounds())
        write_whole(made.plan, plan.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise ConfigurationError(
            f"{folder} can't be written ({error.strerror}): give --output another folder."
        ) from error
    return plan


def place_plan(file: Path, folder: Path) -> None:
    """Put a plan into its sweep's folder if that has none; several jobs may do so at once.

    Args:
        file: ``plan.json``, or the same compressed with gzip.
        folder: The sweep's folder on this machine.

    Raises:
        ConfigurationError: When the file is not a plan, or the folder has another one.
    """
    try:
        content = file.read_bytes()
        text = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        plan = Plan.model_validate_json(text)
        made = SweepFolder(folder.absolute())
        if made.plan.is_file():
            if read_plan(made) != plan:
                raise ConfigurationError(f"{folder} has another plan than {file}: name a folder of its own.")
            return
        if not (made.path / BUDGET_FILE).is_file():
            write_budget(made.path, plan.spec.budget)
        if not made.rounds.is_file():
            write_rounds(made.rounds, Rounds())
        write_whole(made.plan, plan.model_dump_json(indent=1) + "\n")
    except (OSError, EOFError, ValidationError) as error:
        raise ConfigurationError(f"{file} is no plan that can be put into {folder} ({error}).") from error


def read_plan(folder: SweepFolder) -> Plan:
    """Read the plan in a folder.

    Raises:
        ConfigurationError: When the plan can't be read or is damaged.
    """
    try:
        return Plan.model_validate_json(folder.plan.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{folder.plan} can't be read ({error.strerror}).") from error
    except ValidationError as error:
        raise ConfigurationError(f"{folder.plan} is damaged, or of another version: plan the sweep again.") from error


def estimate(plan: Plan) -> Estimate:
    """Estimate the cost of a plan."""
    counts = planned_by_provider(plan.attempts)
    paid = sum(counts[name] for name in paid_providers(plan.spec))
    limits, expected, total = plan.spec.limits, plan.spec.expected, counts.total()
    minutes = expected.minutes or limits.agent_timeout / 60
    usd = expected.usd or limits.max_cost_usd or 0.0
    return Estimate(
        Amounts(attempts=total, hours=total * minutes / 60, usd=paid * usd),
        hours_at_most=total * limits.agent_timeout / 3600,
        usd_at_most=None if limits.max_cost_usd is None and paid else paid * (limits.max_cost_usd or 0.0),
    )


def paid_providers(spec: SweepSpec) -> list[str]:
    """The providers whose attempts may cost money."""
    return [str(one) for one in parse_specs(spec.providers) if costs_money(load_provider(one))]


def _measure(spec: SweepSpec) -> str:
    minutes, usd = (
        spec.expected.minutes or spec.limits.agent_timeout / 60,
        spec.expected.usd or spec.limits.max_cost_usd,
    )
    return f"{minutes:g} minutes" + ("" if usd is None else f" and {usd:g} US dollars")


def _families(spec: SweepSpec) -> list[str]:
    return ["run", *spec.families] if spec.families else ["bench"]


def _dealt(attempts: Iterable[str], count: int) -> dict[int, tuple[str, ...]]:
    """The attempts of each non-empty shard, distributed as by `--shard`."""
    dealt: dict[int, list[str]] = {}
    for nodeid in attempts:
        dealt.setdefault(part_of(nodeid, count), []).append(nodeid)
    return {number: tuple(dealt[number]) for number in sorted(dealt)}


def _listed(spec: SweepSpec) -> tuple[list[str], Counter[str]]:
    """The attempts that pytest would make, and the number that it can't make here, by reason."""
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "attempts.json"
        command = [sys.executable, "-P", "-m", "scribe_suite.cli", *_families(spec), *spec.options()]
        command += ["--collect-only", "-q", "-p", "no:cacheprovider", "-p", "scribe_suite.sweeps.listing"]
        done = subprocess.run(
            command,
            env={**os.environ, LISTING: str(file), ROOT_VARIABLE: str(suite_root())},
            capture_output=True,
            text=True,
            timeout=_LISTING_S,
        )
        if done.returncode not in (0, 5) or not file.is_file():
            raise ConfigurationError(f"pytest refuses what the sweep asks for: {_last(done.stderr + done.stdout)}")
        listed = json.loads(file.read_text())
    return listed["attempts"], Counter(listed["skipped"])


def _last(text: str) -> str:
    lines: Sequence[str] = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line.removeprefix("ERROR: ") for line in lines if line.startswith(("ERROR:", "scribe-suite:"))]
    return " ".join(told or lines[-_LAST_LINES:])
