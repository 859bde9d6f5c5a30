"""Command-line options: one group, validating parsers, and the `Settings` they become.

Parsers return builtins only, because xdist ships option values to its workers. A bad value is a usage error before
anything runs.
"""

from __future__ import annotations

import argparse
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.plugin.recordings import replayed_seed
from scribe_suite.providers.base import Limits
from scribe_suite.providers.registry import ProviderSpec, parse_specs, provider_names
from scribe_suite.tasks.seeds import fresh_run_seed

DEFAULT_PROVIDER = "reference"
WORKER_KEY = "scribe_suite"

_T = TypeVar("_T", int, float)

Isolation = Literal["auto", "strict", "none"]


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
        results_dir: Absolute.
        max_concurrent: By provider, how many of its attempts run at the same time; as many as there are workers where
            nothing is said.
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
    results_dir: Path
    max_concurrent: Mapping[str, int] = field(default_factory=dict)

    @property
    def shared_dir(self) -> Path:
        """A folder of this run that all its workers share; made by whoever needs it."""
        return self.results_dir / ".shared" / self.run


SETTINGS = pytest.StashKey[Settings]()


def provider_list(text: str) -> str:
    """A comma list of known providers, returned as given."""
    try:
        parse_specs([text])
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def trial_count(text: str) -> int:
    """A whole number from 1 on."""
    value = _number(text, int, "whole number")
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is too few: every task is tried at least once, give 1 or more.")
    return value


def positive_count(text: str) -> int:
    """A whole number from 1 on."""
    value = _number(text, int, "whole number")
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is too few: give 1 or more, or leave the option out.")
    return value


def dollars(text: str) -> float:
    """A positive, finite amount."""
    value = _number(text, float, "number")
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no limit: give an amount above 0, or leave the option out.")
    return value


def concurrency(text: str) -> str:
    """A comma list of ``PROVIDER=N``, returned as given."""
    _concurrency(text)
    return text


def seconds(text: str) -> float:
    """A positive, finite number of seconds."""
    value = _number(text, float, "number")
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds.")
    return value


def pass_mark(text: str) -> float:
    """A skill between -1 and 1."""
    value = _number(text, float, "number")
    if not -1 <= value <= 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a skill: give a number between -1 and 1 (1 is the reference)."
        )
    return value


def instance_seed(text: str) -> str:
    """``fresh`` or a whole number from 0 on, returned as given."""
    if text != "fresh" and not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise argparse.ArgumentTypeError(f"{text!r} is not a seed: give 'fresh' or a whole number from 0 on.")
    return text


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
        default=1,
        metavar="N",
        help="attempts per task and provider; trial k of all providers is made on the same instance (default: 1)",
    )
    group.addoption(
        "--instance-seed",
        type=instance_seed,
        default="fresh",
        metavar="N|fresh",
        help="'fresh' draws new instances for this run, a number makes the same ones again (default: fresh)",
    )
    group.addoption(
        "--agent-timeout",
        type=seconds,
        default=1800.0,
        metavar="SECONDS",
        help="wall clock limit of one attempt; what was submitted before it counts (default: 1800)",
    )
    group.addoption(
        "--cell-timeout",
        type=seconds,
        default=300.0,
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
        default=False,
        help="let tests pass whatever the agent did, for runs that only collect results; infrastructure still fails",
    )
    group.addoption(
        "--isolation",
        choices=("auto", "strict", "none"),
        default="auto",
        help="how kernels are sealed off: 'auto' the best this machine can, 'strict' refuses without namespaces, "
        "'none' leaves them open (default: auto)",
    )
    group.addoption(
        "--results-dir",
        default=None,
        metavar="DIR",
        help="where ledgers and attempts' folders go (default: runs/ in the checkout)",
    )


def read_settings(config: pytest.Config) -> Settings:
    """The parsed options; in an xdist worker, with what the controller drew.

    Raises:
        pytest.UsageError: When options do not fit together or the results folder can't be one.
    """
    option = config.option
    shared: dict[str, Any] | None = getattr(config, "workerinput", {}).get(WORKER_KEY)
    seed_text = cast(str, option.instance_seed)
    results_dir = config.rootpath / "runs"
    if option.results_dir is not None:
        if not option.results_dir:
            raise pytest.UsageError("--results-dir is empty: name a folder.")
        results_dir = config.invocation_params.dir / option.results_dir
    if shared is not None:
        results_dir = Path(shared["results_dir"])
    if results_dir.exists() and not results_dir.is_dir():
        raise pytest.UsageError(f"--results-dir {results_dir} is not a folder: name another one.")
    specs = tuple(parse_specs(option.provider or [DEFAULT_PROVIDER]))
    mode: Literal["fresh", "fixed"] = "fresh" if seed_text == "fresh" else "fixed"
    if shared is None and (replayed := _replayed_seed(specs, results_dir)) is not None:
        if seed_text not in ("fresh", str(replayed[0])):
            raise pytest.UsageError("A replay needs the instances of its run: leave --instance-seed out.")
        seed_text, mode = str(replayed[0]), replayed[1]
    now = datetime.now()
    return Settings(
        run=shared["run"] if shared else f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
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
        results_dir=results_dir,
        max_concurrent={
            name: places for text in option.max_concurrent or [] for name, places in _concurrency(text).items()
        },
    )


def worker_input(settings: Settings) -> dict[str, Any]:
    """What a worker must share with the controller; builtins only."""
    return {"run": settings.run, "run_seed": settings.run_seed, "results_dir": str(settings.results_dir)}


def _replayed_seed(specs: Sequence[ProviderSpec], results_dir: Path) -> tuple[int, Literal["fresh", "fixed"]] | None:
    try:
        return replayed_seed(specs, results_dir)
    except ConfigurationError as error:
        raise pytest.UsageError(str(error)) from error


def _concurrency(text: str) -> dict[str, int]:
    places = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise argparse.ArgumentTypeError(f"{part!r} is not of the form PROVIDER=N, as in claude=2.")
        if name not in provider_names():
            raise argparse.ArgumentTypeError(f"{name!r} is no provider: choose from {', '.join(provider_names())}.")
        places[name] = _number(number, int, "whole number")
        if places[name] < 1:
            raise argparse.ArgumentTypeError(f"{part!r} lets none run: give 1 or more.")
    return places


def _number(text: str, kind: Callable[[str], _T], called: str) -> _T:
    try:
        return kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a {called}.") from None
