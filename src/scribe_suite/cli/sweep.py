"""``scribe-suite sweep``: a benchmark in shards on many machines, from the plan to one ledger."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from scribe_suite.cli.models import show_help
from scribe_suite.cli.parsers import Commands, add_command
from scribe_suite.cli.watch import interval
from scribe_suite.errors import ConfigurationError
from scribe_suite.exit_codes import EXIT_LOST_OR_INFRASTRUCTURE

if TYPE_CHECKING:
    from scribe_suite.sweeps.engines.base import Engine
    from scribe_suite.sweeps.folder import SweepFolder
    from scribe_suite.sweeps.plan import Plan

_ENGINES = ("local", "slurm")
#: Minutes that an attempt takes beside the agent's time: its instance, its kernel, its score.
_AROUND_MIN = 3
_EXIT_CUT_OFF = 1
#: How many signs of life a job sends in the time after which it is considered dead.
_BEATS = 8
_PLAN_HELP = "the folder that `sweep plan` has made, or the plan.json in it"


def register(commands: Commands) -> None:
    """Add the command and its actions."""
    parser = add_command(
        commands,
        "sweep",
        lambda _: show_help(parser),
        summary="run a benchmark in shards on many machines: Slurm, Kubernetes, or this one",
        description="Plan a benchmark, run its shards as jobs, resume what is not done, keep to one budget, and merge "
        "the ledgers. A shard is done when its ledger says so. docs/guide/sweeps.md has worked examples.",
        examples=(
            "scribe-suite sweep plan spec.toml",
            "scribe-suite sweep run runs/sweeps/first --engine slurm --partition cpu",
            "scribe-suite sweep status runs/sweeps/first",
        ),
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    plan = add_command(
        actions,
        "plan",
        _plan,
        summary="plan a sweep",
        description="List the attempts that SPEC asks for, deal them out to shards, draw the seed, and refuse what "
        "does not fit the budget. Nothing is run.",
        examples=("scribe-suite sweep plan spec.toml", "scribe-suite sweep plan spec.toml --output /shared/first"),
    )
    plan.add_argument("spec", type=Path, metavar="SPEC.toml")
    plan.add_argument(
        "--output", type=Path, metavar="DIR", help="a folder that is not there yet (default: runs/sweeps/NAME)"
    )
    run = _with_plan(
        actions,
        "run",
        _run,
        summary="run a sweep, or go on with one",
        description="Start a job for each shard that is not done, start again what ended without all its attempts, and "
        "merge at the end. It may be interrupted: jobs go on, and `sweep run` takes over where it ended. Exit codes "
        "are those of a run; 3 when an attempt is missing or was failed by infrastructure.",
    )
    _add_engine(run)
    resume = _with_plan(
        actions,
        "resume",
        _resume,
        summary="make the attempts that a sweep has left, with a larger budget if it is given",
        description="Begin a new round: every shard that is not done may be started and resumed again as often as the "
        "plan says. A cancelled sweep goes on.",
    )
    _add_engine(resume)
    resume.add_argument("--attempts", type=_above_0, metavar="N", help="the budget is now so many attempts in all")
    resume.add_argument("--hours", type=_above_0, metavar="N", help="the budget is now so many hours in all")
    resume.add_argument("--usd", type=_above_0, metavar="N", help="the budget is now so many US dollars in all")
    _with_plan(
        actions,
        "status",
        _status,
        summary="say how far a sweep is, and what it takes",
        description="Print how many attempts count, what they took, what the whole will take, and the shards that are "
        "not done. Exit code 0 when all attempts count, else 1.",
    )
    watch = _with_plan(
        actions,
        "watch",
        _watch,
        summary="show what a sweep is doing, until it has ended",
        description="Show the attempts that run on any machine. Exit code 0 when all attempts count, 1 when nobody "
        "works on the sweep any more. It only reads.",
    )
    watch.add_argument(
        "--interval", type=interval, default=10.0, metavar="SECONDS", help="between two looks (default: 10)"
    )
    _with_plan(
        actions,
        "merge",
        _merge,
        summary="make one ledger of those that are there now",
        description="Write NAME.jsonl in the sweep's folder, in place of an earlier one. Attempts that are not there "
        "yet stand in it as missing. `sweep run` does the same at its end.",
    )
    _add_shard(actions)
    _add_manifests(actions)
    _with_plan(
        actions,
        "cancel",
        _cancel,
        summary="end all jobs of a sweep",
        description="End the jobs that run, and those that wait. What was recorded stays; `sweep resume` goes on.",
    )


def _add_shard(actions: Commands) -> None:
    parser = _with_plan(
        actions,
        "shard",
        _shard,
        summary="make one shard of a sweep, here and now",
        description="Make the attempts that a shard still owes, in this process: for engines that start commands. Exit "
        "code 0 when the shard is done, 3 when it is not and may be started again, 76 when it was started as often as "
        "the plan allows.",
    )
    parser.add_argument("shard", type=_count, nargs="?", metavar="K", help="number of the shard")
    parser.add_argument(
        "--index", type=int, metavar="I", help="in place of K: the shard's place among those of the plan, from 0 on"
    )
    parser.add_argument(
        "--plan-file", type=Path, metavar="FILE", help="plan.json or plan.json.gz, for a folder that has none yet"
    )


def _add_manifests(actions: Commands) -> None:
    parser = _with_plan(
        actions,
        "manifests",
        _manifests,
        summary="write manifests for Kubernetes",
        description="Write an Indexed Job with a pod for each shard, the volume that they share, and the plan as a "
        "secret. Nothing is sent to a cluster.",
    )
    parser.add_argument("--image", required=True, help="container image with the suite, with its tag or digest")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="default: manifests.json in the sweep's folder"
    )
    parser.add_argument("--jobs", type=_count, default=10, metavar="N", help="pods at the same time (default: 10)")
    parser.add_argument("--cpus", type=_count, metavar="N", help="of a pod (default: one more than workers)")
    for name, default, what in (
        ("memory", 8.0, "of a pod"),
        ("disk", 10.0, "of a pod, outside the volume"),
        ("volume", 20.0, "of the volume"),
    ):
        parser.add_argument(
            f"--{name}-gb", type=_above_0, default=default, metavar="N", help=f"GiB {what} (default: {default:g})"
        )
    parser.add_argument("--storage-class", metavar="NAME", help="of the volume, which many machines must write")
    parser.add_argument(
        "--secret",
        action="append",
        default=[],
        metavar="VARIABLE=SECRET/KEY",
        help="variable of pods whose value a secret of the cluster has; repeatable",
    )
    parser.add_argument(
        "--namespaces", action="store_true", help="ask the cluster for what isolation with namespaces needs in a pod"
    )


def _with_plan(
    actions: Commands, name: str, run: Callable[[argparse.Namespace], int], *, summary: str, description: str
) -> argparse.ArgumentParser:
    parser = add_command(actions, name, run, summary=summary, description=description)
    parser.add_argument("plan", type=Path, metavar="PLAN", help=_PLAN_HELP)
    return parser


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=_ENGINES, default="local", help="what runs jobs (default: local)")
    parser.add_argument(
        "--jobs", type=_count, metavar="N", help="jobs at the same time (default: 1 with local, else all)"
    )
    parser.add_argument(
        "--time", type=_count, metavar="MINUTES", help="after which a job may be ended (default: enough)"
    )
    for name in ("partition", "gres", "account", "qos"):
        parser.add_argument(f"--{name}", metavar=name.upper(), help=f"Slurm's --{name}")
    parser.add_argument("--cpus", type=_count, metavar="N", help="cores of a job (default: one more than workers)")
    parser.add_argument("--memory-gb", type=_above_0, metavar="N", help="GiB of a job (default: what Slurm gives)")
    parser.add_argument(
        "--prologue", action="append", default=[], metavar="COMMAND", help="shell command before each job; repeatable"
    )
    parser.add_argument(
        "--expire",
        type=_above_0,
        default=120.0,
        metavar="SECONDS",
        help="a job of which nothing was heard for so long is taken for dead (default: 120)",
    )
    parser.add_argument("--python", metavar="PATH", help="Python of jobs (default: this one)")
    parser.add_argument(
        "--interval", type=interval, default=10.0, metavar="SECONDS", help="between two looks (default: 10)"
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on.")
    return int(text)


def _above_0(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0.")
    return value


def _found(options: argparse.Namespace) -> tuple[SweepFolder, Plan]:
    from scribe_suite.sweeps.folder import SweepFolder
    from scribe_suite.sweeps.plan import read_plan

    folder = SweepFolder.find(options.plan)
    return folder, read_plan(folder)


def _plan(options: argparse.Namespace) -> int:
    """Make a plan, and say what it will take."""
    from scribe_suite.sweeps.plan import estimate, make_plan
    from scribe_suite.sweeps.spec import read_spec
    from scribe_suite.sweeps.totals import amounts_text

    spec = read_spec(options.spec)
    folder = options.output or Path("runs") / "sweeps" / spec.name
    plan = make_plan(spec, folder)
    made = estimate(plan)
    print(f"{folder}: {len(plan.attempts)} attempts in {len(plan.shards)} shards, {_sizes(plan)} each")
    for reason, count in plan.skipped.items():
        print(f"{count} attempts are left out: {reason}")
    print(f"expected: {amounts_text(made.expected, spec.budget)}")
    usd = "any number of" if made.usd_at_most is None else f"{made.usd_at_most:.2f}"
    print(f"by the limits of an attempt: at most {made.hours_at_most:.2f} hours and {usd} US dollars")
    return 0


def _sizes(plan: Plan) -> str:
    sizes = sorted(map(len, plan.shards.values()))
    return str(sizes[0]) if sizes[0] == sizes[-1] else f"{sizes[0]} to {sizes[-1]}"


def _run(options: argparse.Namespace) -> int:
    """Lead a sweep to its end."""
    from scribe_suite.sweeps.coordinator import Coordinator, Pace
    from scribe_suite.sweeps.rounds import read_rounds

    folder, plan = _found(options)
    if read_rounds(folder.rounds).cancelled:
        raise ConfigurationError(f"The sweep was cancelled: `scribe-suite sweep resume {options.plan}` goes on.")
    at_once = options.jobs or (1 if options.engine == "local" else None)
    pace = Pace(at_once, options.interval, options.expire / _BEATS, options.expire)
    return Coordinator(folder, plan, _engine(options, folder, plan), pace, _say).lead()


def _engine(options: argparse.Namespace, folder: SweepFolder, plan: Plan) -> Engine:
    from scribe_suite.sweeps.engines.base import Resources
    from scribe_suite.sweeps.engines.submitting import engine_of

    most = math.ceil(max(map(len, plan.shards.values())) / plan.spec.workers)
    enough = math.ceil(most * (plan.spec.limits.agent_timeout / 60 + _AROUND_MIN)) + 10
    resources = Resources(
        minutes=options.time or enough,
        partition=options.partition,
        gres=options.gres,
        cpus=options.cpus or plan.spec.workers + 1,
        memory_gb=options.memory_gb,
        account=options.account,
        qos=options.qos,
        prologue=tuple(options.prologue),
        python=options.python,
    )
    return engine_of(options.engine, folder.jobs / options.engine, resources)


def _say(sentence: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {sentence}", flush=True)


def _resume(options: argparse.Namespace) -> int:
    """Begin a new round, and lead it."""
    from scribe_suite.providers.sweep_budget import read_budget, write_budget
    from scribe_suite.sweeps.rounds import read_rounds, write_rounds

    folder, _ = _found(options)
    given = {
        "attempts": None if options.attempts is None else int(options.attempts),
        "hours": options.hours,
        "usd": options.usd,
    }
    budget = read_budget(folder.path)
    write_budget(folder.path, budget.model_copy(update={name: value for name, value in given.items() if value}))
    write_rounds(folder.rounds, read_rounds(folder.rounds).next())
    return _run(options)


def _status(options: argparse.Namespace) -> int:
    """Print how far a sweep is."""
    from scribe_suite.sweeps.status import SweepWatch

    view = SweepWatch(*_found(options)).view()
    print("\n".join(view.lines()))
    return 0 if view.done else 1


def _watch(options: argparse.Namespace) -> int:
    """Show a sweep until it has ended."""
    from scribe_suite.sweeps.status import SweepWatch

    watched = SweepWatch(*_found(options))
    said = ""
    while True:
        view = watched.view()
        line = f"{view.live().line()}; {'; '.join(view.costs)}"
        if line != said:
            said = line
            _say(line)
        if view.done:
            print("All attempts of the sweep count.")
            return 0
        if not view.running and watched.gone:
            print("Nobody works on the sweep any more, and it is not done.")
            return _EXIT_CUT_OFF
        time.sleep(options.interval)


def _merge(options: argparse.Namespace) -> int:
    """Make one ledger of what is there."""
    from scribe_suite.sweeps.coordinator import merge_sweep
    from scribe_suite.sweeps.status import SweepWatch

    folder, plan = _found(options)
    path = merge_sweep(folder, plan)
    if path is None:
        raise ConfigurationError("No shard of the sweep has a ledger yet: run it first.")
    view = SweepWatch(folder, plan).view()
    print(f"{path}: {sum(state.counted for state in view.states)} attempts of {len(plan.attempts)} count")
    return 0


def _shard(options: argparse.Namespace) -> int:
    """Make one shard, here."""
    from scribe_suite.sweeps.folder import SweepFolder
    from scribe_suite.sweeps.plan import place_plan, read_plan
    from scribe_suite.sweeps.shard_job import GIVEN_UP, ShardJob
    from scribe_suite.sweeps.shard_state import look_at

    if options.plan_file is not None:
        place_plan(options.plan_file, options.plan)
    folder = SweepFolder.find(options.plan)
    plan = read_plan(folder)
    shards = sorted(plan.shards)
    if (options.shard is None) == (options.index is None):
        raise ConfigurationError("Which shard? Give its number K, or --index I.")
    if options.index is not None and not 0 <= options.index < len(shards):
        raise ConfigurationError(f"There is no shard with --index {options.index}: the plan has {len(shards)}.")
    shard = options.shard if options.index is None else shards[options.index]
    if shard not in plan.shards:
        raise ConfigurationError(f"The plan has no shard {shard}, or it is empty.")
    code = ShardJob(str(folder.path), shard)()
    state = look_at(folder, plan, shard)
    print(f"shard {shard}: {state.counted} of {state.owed} attempts count; see {folder.log(shard)}")
    if state.done:
        return 0
    return code if code == GIVEN_UP else EXIT_LOST_OR_INFRASTRUCTURE


def _manifests(options: argparse.Namespace) -> int:
    """Write manifests for Kubernetes."""
    import json

    from scribe_suite.sweeps.engines.kubernetes import Pods, manifests, read_secret
    from scribe_suite.sweeps.folder import write_whole

    folder, plan = _found(options)
    try:
        secrets = dict(map(read_secret, options.secret))
    except ValueError as error:
        raise ConfigurationError(f"--secret: {error}") from error
    pods = Pods(
        image=options.image,
        parallelism=options.jobs,
        cpus=options.cpus or plan.spec.workers + 1,
        memory_gb=options.memory_gb,
        disk_gb=options.disk_gb,
        volume_gb=options.volume_gb,
        storage_class=options.storage_class,
        secrets=secrets,
        namespaces=options.namespaces,
    )
    output = options.output or folder.path / "manifests.json"
    try:
        write_whole(output, json.dumps(manifests(plan, pods), indent=2) + "\n")
    except OSError as error:
        raise ConfigurationError(f"{output} can't be written ({error.strerror}).") from error
    print(f"{output}: kubectl apply -f {output}")
    return 0


def _cancel(options: argparse.Namespace) -> int:
    """End all jobs."""
    from scribe_suite.sweeps.coordinator import submitted_jobs
    from scribe_suite.sweeps.engines.base import Resources
    from scribe_suite.sweeps.engines.submitting import engine_of
    from scribe_suite.sweeps.rounds import read_rounds, write_rounds

    folder, _ = _found(options)
    write_rounds(folder.rounds, read_rounds(folder.rounds).model_copy(update={"cancelled": True}))
    ended = 0
    for name in _ENGINES:
        jobs = submitted_jobs(folder, name).values()
        if jobs:
            engine = engine_of(name, folder.jobs / name, Resources(minutes=1))
            unfinished = engine.unfinished(jobs)
            engine.cancel(jobs if unfinished is None else unfinished)
            ended += len(jobs) if unfinished is None else len(unfinished)
    sys.stdout.write(f"The sweep is cancelled; {ended} jobs were asked to end.\n")
    return 0
