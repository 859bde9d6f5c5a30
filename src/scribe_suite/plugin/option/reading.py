"""Turns the command line into the settings of a run, step by step.

The controller decides, from the command line, the header of a resumed run, a replayed run's seed, and the defaults.
Workers use its decisions.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.burnt_seeds import require_not_burnt
from scribe_suite.paths import installation, is_installed
from scribe_suite.plugin.option.options import given_values, settings_fields, with_defaults
from scribe_suite.plugin.option.replays import replayed_seed
from scribe_suite.plugin.option.resume import RESUMED, ResumedRun, kept_values, reopen_run
from scribe_suite.plugin.option.shards import Shard, shard_run
from scribe_suite.plugin.settings import RunIdentity, SeedMode, Settings
from scribe_suite.providers.base import Limits
from scribe_suite.providers.registry import ProviderSpec, load_provider, parse_specs
from scribe_suite.seeds import fresh_run_seed

#: Key of the controller's decisions in a worker's input.
WORKER_KEY = "scribe_suite"

#: Key of the values of all options, for workers.
_VALUES = pytest.StashKey[dict[str, Any]]()


def read_settings(config: pytest.Config) -> Settings:
    """The settings of this process's run.

    Raises:
        pytest.UsageError: When options contradict each other, a run can't be resumed, or the results folder is not
            usable.
    """
    shared: dict[str, Any] | None = getattr(config, "workerinput", {}).get(WORKER_KEY)
    return _decided_here(config) if shared is None else _decided_by_controller(config, shared)


def worker_input(config: pytest.Config, settings: Settings) -> dict[str, Any]:
    """The controller's decisions that a worker needs; builtins only."""
    return {
        "run": settings.run,
        "run_seed": settings.run_seed,
        "seed_mode": settings.seed_mode,
        "results_dir": str(settings.results_dir),
        "only": None if settings.only is None else sorted(settings.only),
        "args": None if settings.only is None else [str(arg) for arg in config.args],
        "values": config.stash[_VALUES],
    }


def _decided_by_controller(config: pytest.Config, shared: Mapping[str, Any]) -> Settings:
    config.args = shared["args"] or config.args
    identity = RunIdentity(
        run=shared["run"],
        run_seed=shared["run_seed"],
        seed_mode=shared["seed_mode"],
        results_dir=Path(shared["results_dir"]),
        only=None if shared["only"] is None else frozenset(shared["only"]),
    )
    return _settings(identity, shared["values"])


def _decided_here(config: pytest.Config) -> Settings:
    given = given_values(config)
    results_dir = _results_dir(config, given["results_dir"])
    resumed = _resumed(config, given, results_dir)
    if resumed is not None:
        given = kept_values(given, resumed, results_dir)
        results_dir = resumed.writer.path.parent.absolute()
    if results_dir.exists() and not results_dir.is_dir():
        raise pytest.UsageError(f"--results-dir {results_dir} is not a folder: name another one.")
    values = config.stash[_VALUES] = with_defaults(given)
    settings = _settings(_identity(values, results_dir, resumed), values)
    _require_providers(settings.providers)
    return settings


def _require_providers(specs: Sequence[ProviderSpec]) -> None:
    """Refuse providers that can't make any attempt; one without an argument can't be mistyped."""
    for spec in specs:
        if spec.model is None:
            continue
        try:
            refusal = load_provider(spec).refusal(spec.model)
        except ConfigurationError as error:
            raise pytest.UsageError(str(error)) from error
        if refusal is not None:
            raise pytest.UsageError(f"--provider {spec}: {refusal}")


def _results_dir(config: pytest.Config, given: str | None) -> Path:
    """The folder for results; a resumed run keeps its folder."""
    if given is None:
        inside = is_installed() and config.rootpath.is_relative_to(installation())  # nothing is written there
        return (config.invocation_params.dir if inside else config.rootpath) / "runs"
    if not given:
        raise pytest.UsageError("--results-dir is empty: name a folder.")
    return config.invocation_params.dir / given


def _resumed(config: pytest.Config, given: Mapping[str, Any], results_dir: Path) -> ResumedRun | None:
    """The resumed run, locked for this session; if no tests are named, its files are collected."""
    if given["resume"] is None:
        if given["resume_anyway"]:
            raise pytest.UsageError("--resume-anyway says how to resume a run: add --resume RUN.")
        return None
    resumed = reopen_run(given["resume"], results_dir, anyway=bool(given["resume_anyway"]))
    config.add_cleanup(resumed.writer.leave)
    config.stash[RESUMED] = resumed
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = resumed.files(config.rootpath)
    return resumed


def _identity(values: Mapping[str, Any], results_dir: Path, resumed: ResumedRun | None) -> RunIdentity:
    run_seed, seed_mode = _seed(values, results_dir)
    if resumed is None:
        run = f"{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        if values["sweep"] is not None and values["shard"] is not None:
            # one name for all jobs of a shard: a ledger is created only where none exists, so two jobs can't both
            # create it
            run = shard_run(Shard.parse(values["shard"]).number)
        return RunIdentity(run=run, run_seed=run_seed, seed_mode=seed_mode, results_dir=results_dir, only=None)
    header = resumed.header
    return RunIdentity(
        run=header.run,
        run_seed=run_seed,
        seed_mode=header.seed_mode,
        results_dir=results_dir,
        only=frozenset(resumed.pending),
    )


def _seed(values: Mapping[str, Any], results_dir: Path) -> tuple[int, SeedMode]:
    """The run seed, and whether it was drawn; a replay uses those of its run."""
    text: str = values["instance_seed"]
    try:
        replayed = replayed_seed(parse_specs(values["provider"]), results_dir)
    except ConfigurationError as error:
        raise pytest.UsageError(str(error)) from error
    if replayed is not None:
        if text not in ("fresh", str(replayed[0])):
            raise pytest.UsageError("A replay needs the instances of its run: leave --instance-seed out.")
        return replayed
    if text == "fresh":
        return fresh_run_seed(), "fresh"
    if values["resume"] is None:  # what has begun may be finished
        try:
            require_not_burnt(int(text), results_dir)
        except ConfigurationError as error:
            raise pytest.UsageError(str(error)) from error
    return int(text), "fixed"


def _settings(identity: RunIdentity, values: Mapping[str, Any]) -> Settings:
    fields, limits = settings_fields(values)
    return Settings(**vars(identity), **fields, limits=Limits(**limits))
