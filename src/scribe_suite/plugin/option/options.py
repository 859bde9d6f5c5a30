"""Command-line options: one group, and the `Settings` they become."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, cast, get_args

import pytest

from scribe_suite.analysis.arguments import tolerance
from scribe_suite.errors import ConfigurationError
from scribe_suite.models.device import DEVICES
from scribe_suite.plugin.option.replays import replayed_seed
from scribe_suite.plugin.option.resume import ResumedRun, kept_options, take_up
from scribe_suite.plugin.option.shards import Shard
from scribe_suite.plugin.option.values import (
    concurrency,
    dollars,
    instance_seed,
    pass_mark,
    positive_count,
    provider_list,
    read_concurrency,
    seconds,
    shard,
    trial_count,
)
from scribe_suite.providers.base import Limits
from scribe_suite.providers.registry import ProviderSpec, parse_specs
from scribe_suite.sandbox.tiers import Isolation
from scribe_suite.seeds import fresh_run_seed

DEFAULT_PROVIDER = "reference"
DEFAULTS: Mapping[str, Any] = {
    "trials": 1,
    "instance_seed": "fresh",
    "agent_timeout": 1800.0,
    "cell_timeout": 300.0,
    "record_only": False,
    "isolation": "auto",
    "model_source": "planted",
    "device": "auto",
}
"""Of options that belong to a run. The parser has none, so that a resumed run knows which of them were given."""
WORKER_KEY = "scribe_suite"

Live = Literal["auto", "table", "lines", "off"]
ModelSource = Literal["planted", "real", "all"]


@dataclass(frozen=True)
class Settings:
    """The options of a run, parsed; the same in the controller and in every worker.

    Attributes:
        run: Run id.
        providers: Who attempts every task.
        trials: How often each of them does, on an instance of its own each time.
        run_seed: What instance seeds are derived from.
        seed_mode: ``fresh`` when `run_seed` was drawn, ``fixed`` when the user gave it; of a replay, as it was then.
        limits: Per attempt.
        pass_mark: From ``--pass-mark``, or None: the test's marker or the task decides.
        record_only: Whether a test passes whatever the agent did, because the run is for its record.
        isolation: What was asked for; the tier in force is in each record.
        model_source: Which tasks are run: those on planted models, those on a real one, or both.
        results_dir: Absolute.
        max_concurrent: By provider, how many of its attempts run at the same time; as many as there are workers where
            nothing is said.
        live: How the run is shown while it goes on.
        live_interval_s: Seconds between two lines that show it.
        shard: The part of the tests that is run, or None for all.
        only: Node ids of the tests that are run, or None for all.
    """

    run: str
    providers: tuple[ProviderSpec, ...]
    trials: int
    run_seed: int
    seed_mode: Literal["fresh", "fixed"]
    limits: Limits
    pass_mark: float | None
    record_only: bool
    isolation: Isolation
    model_source: ModelSource
    results_dir: Path
    max_concurrent: Mapping[str, int] = field(default_factory=dict)
    live: Live = "auto"
    live_interval_s: float = 60.0
    shard: Shard | None = None
    only: frozenset[str] | None = None

    def selects(self, nodeid: str) -> bool:
        """Whether a test that was collected is to be run."""
        if self.only is not None and nodeid not in self.only:
            return False
        return self.shard is None or self.shard.holds(nodeid)

    @property
    def shared_dir(self) -> Path:
        """A folder of this run that all its workers share; made by whoever needs it."""
        return self.results_dir / ".shared" / self.run


SETTINGS = pytest.StashKey[Settings]()


def add_options(parser: pytest.Parser) -> None:
    """Add the group ``scribe task suite``."""
    group = parser.getgroup("scribe task suite", "which agents attempt the benchmark, on what, within what limits")
    group.addoption(
        "--provider",
        action="append",
        type=provider_list,
        metavar="NAME[:MODEL][,...]",
        help=f"who attempts the tasks; repeatable, comma lists, or 'all' (default: {DEFAULT_PROVIDER}). "
        "`scribe-suite providers` lists them.",
    )
    group.addoption(
        "--trials",
        type=trial_count,
        default=None,
        metavar="N",
        help="attempts per task and provider; trial k of all providers is made on the same instance (default: 1)",
    )
    group.addoption(
        "--instance-seed",
        type=instance_seed,
        default=None,
        metavar="N|fresh",
        help="'fresh' draws new instances for this run, a number makes the same ones again (default: fresh)",
    )
    group.addoption(
        "--agent-timeout",
        type=seconds,
        default=None,
        metavar="SECONDS",
        help="wall clock limit of one attempt; what was submitted before it counts (default: 1800)",
    )
    group.addoption(
        "--cell-timeout",
        type=seconds,
        default=None,
        metavar="SECONDS",
        help="a cell that runs longer is interrupted, and killed if that does not help (default: 300)",
    )
    group.addoption(
        "--max-turns",
        type=positive_count,
        default=None,
        metavar="N",
        help="turns of an agent CLI's model in one attempt (default: no limit)",
    )
    group.addoption(
        "--max-tokens",
        type=positive_count,
        default=None,
        metavar="N",
        help="tokens of one attempt, cached ones included, where the CLI tells them while it works (default: no limit)",
    )
    group.addoption(
        "--max-cost-usd",
        type=dollars,
        default=None,
        metavar="USD",
        help="cost of one attempt, where it is known while the CLI works (default: no limit)",
    )
    group.addoption(
        "--max-concurrent",
        action="append",
        type=concurrency,
        metavar="PROVIDER=N[,...]",
        help="attempts of a provider at the same time, over all workers; repeatable (default: as many as workers)",
    )
    group.addoption(
        "--pass-mark",
        type=pass_mark,
        default=None,
        metavar="SKILL",
        help="skill from which a task counts as solved (default: the test's pass_mark marker, else the task's own)",
    )
    group.addoption(
        "--record-only",
        action="store_true",
        default=None,
        help="let tests pass whatever the agent did, for runs that only collect results; infrastructure still fails",
    )
    group.addoption(
        "--isolation",
        choices=("auto", "strict", "none"),
        default=None,
        help="how kernels are sealed off: 'auto' the best this machine can, 'strict' refuses without namespaces, "
        "'none' leaves them open (default: auto)",
    )
    group.addoption(
        "--model-source",
        choices=get_args(ModelSource),
        default=None,
        help="which tasks are run: 'planted' those on models with a planted truth, 'real' their variants on a real "
        "language model (`make real-models` installs it), or 'all' (default: planted)",
    )
    group.addoption(
        "--device",
        choices=DEVICES,
        default=None,
        help="where real language models run, in kernels and in the evaluator: 'auto' takes a GPU where there is one, "
        "'cpu' none, 'cuda' refuses without one (default: auto). Planted models always run on the CPU.",
    )
    group.addoption(
        "--live",
        choices=("auto", "table", "lines", "off"),
        default="auto",
        help="show the attempts that run: 'table' below pytest's output, 'lines' now and then, 'auto' a table in a "
        "terminal whose output is captured and lines elsewhere, or 'off' (default: auto). `scribe-suite watch` shows "
        "them from another terminal.",
    )
    group.addoption(
        "--live-interval",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="between two lines of --live lines (default: 60)",
    )
    group.addoption(
        "--results-dir",
        default=None,
        metavar="DIR",
        help="where ledgers and attempts' folders go (default: runs/ in the checkout)",
    )
    group.addoption(
        "--shard",
        type=shard,
        default=None,
        metavar="K/N",
        help="run only part K of N, such as 2/8; a test's id alone decides which part it is in. Give all parts one "
        "--instance-seed and bring their ledgers together with `scribe-suite merge`.",
    )
    group.addoption(
        "--resume",
        default=None,
        metavar="RUN",
        help="make the attempts of an earlier run that are missing or were failed by infrastructure, with its "
        "instances and options, and add them to its ledger; RUN is that ledger (--resume=RUN where it is outside the "
        "checkout) or its run id. Refused when code, prompts, instances or models are not the same. No path of tests "
        "need be given.",
    )
    group.addoption(
        "--resume-anyway",
        action="store_true",
        default=False,
        help="with --resume: go on although things differ, and write into the ledger what does",
    )
    group.addoption(
        "--compare",
        default=None,
        metavar="RUN",
        help="at the end, compare with an earlier run: a ledger, the id of a run in the results folder, or a "
        "pytest-json-report of this suite",
    )
    group.addoption(
        "--fail-below",
        type=tolerance,
        default=None,
        metavar="X",
        help="exit with 6 when a provider's skill is below that of --compare RUN by more than X (such as 0.05) and "
        "significantly so, with 7 when nothing could be compared",
    )


def read_settings(config: pytest.Config) -> Settings:
    """The parsed options; in an xdist worker, with what the controller drew.

    Raises:
        pytest.UsageError: When options do not fit together or the results folder can't be one.
    """
    option = config.option
    shared: dict[str, Any] | None = getattr(config, "workerinput", {}).get(WORKER_KEY)
    results_dir = config.rootpath / "runs"
    if option.results_dir is not None:
        if not option.results_dir:
            raise pytest.UsageError("--results-dir is empty: name a folder.")
        results_dir = config.invocation_params.dir / option.results_dir
    if shared is None:
        resumed = take_up(config, results_dir)
        if resumed is not None:
            results_dir = resumed.writer.path.parent.absolute()
    else:
        resumed = None
        results_dir = Path(shared["results_dir"])
        vars(option).update(shared["options"])  # a resumed run has them from its ledger, not from the command line
        config.args = shared["args"] or config.args
    for name, value in DEFAULTS.items():
        if getattr(option, name) is None:
            setattr(option, name, value)
    seed_text = cast(str, option.instance_seed)
    if results_dir.exists() and not results_dir.is_dir():
        raise pytest.UsageError(f"--results-dir {results_dir} is not a folder: name another one.")
    specs = tuple(parse_specs(option.provider or [DEFAULT_PROVIDER]))
    mode: Literal["fresh", "fixed"] = "fresh" if seed_text == "fresh" else "fixed"
    if shared is None and (replayed := _replayed_seed(specs, results_dir)) is not None:
        if seed_text not in ("fresh", str(replayed[0])):
            raise pytest.UsageError("A replay needs the instances of its run: leave --instance-seed out.")
        seed_text, mode = str(replayed[0]), replayed[1]
    if resumed is not None:
        mode = resumed.header.seed_mode
    run = f"{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(3)}" if resumed is None else resumed.header.run
    return Settings(
        run=shared["run"] if shared else run,
        providers=specs,
        trials=option.trials,
        run_seed=shared["run_seed"] if shared else fresh_run_seed() if seed_text == "fresh" else int(seed_text),
        seed_mode=mode,
        limits=Limits(
            wall_s=option.agent_timeout,
            cell_s=option.cell_timeout,
            turns=option.max_turns,
            tokens=option.max_tokens,
            cost_usd=option.max_cost_usd,
        ),
        pass_mark=option.pass_mark,
        record_only=option.record_only,
        isolation=option.isolation,
        model_source=option.model_source,
        results_dir=results_dir,
        live=option.live,
        live_interval_s=option.live_interval,
        shard=None if option.shard is None else Shard.parse(option.shard),
        only=_only(shared, resumed),
        max_concurrent={
            name: places for text in option.max_concurrent or [] for name, places in read_concurrency(text).items()
        },
    )


def worker_input(config: pytest.Config) -> dict[str, Any]:
    """What a worker must share with the controller; builtins only."""
    settings = config.stash[SETTINGS]
    return {
        "run": settings.run,
        "run_seed": settings.run_seed,
        "results_dir": str(settings.results_dir),
        "options": kept_options(config),
        "args": None if settings.only is None else [str(arg) for arg in config.args],
        "only": None if settings.only is None else sorted(settings.only),
    }


def _only(shared: Mapping[str, Any] | None, resumed: ResumedRun | None) -> frozenset[str] | None:
    if shared is not None:
        return None if shared["only"] is None else frozenset(shared["only"])
    return None if resumed is None else frozenset(resumed.pending)


def _replayed_seed(specs: Sequence[ProviderSpec], results_dir: Path) -> tuple[int, Literal["fresh", "fixed"]] | None:
    try:
        return replayed_seed(specs, results_dir)
    except ConfigurationError as error:
        raise pytest.UsageError(str(error)) from error
