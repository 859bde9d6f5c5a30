"""``scribe-suite export-task``: instances of a task as Harbor folders."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scribe_suite.cli.parsers import Commands, add_command, add_results_dir

#: Seconds that an agent has, as in a run.
AGENT_TIMEOUT_S = 1800.0


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "export-task",
        run,
        summary="write instances of a planted task as Harbor task folders",
        description="Write instances of a task as self-contained folders in Harbor's format (task.toml of schema 1.4, "
        "Dockerfiles, instruction, tests, reference solution). An exported instance is public forever: the seed is "
        "marked as burnt, and no run accepts it as --instance-seed from then on.",
        examples=("scribe-suite export-task circuits/mechanism_3 --instances 5 --seed 41 -o mechanism",),
    )
    parser.add_argument("task", metavar="TASK", help="task id, such as circuits/mechanism_3")
    parser.add_argument("--instances", type=int, default=1, metavar="N", help="how many (default: 1)")
    parser.add_argument("--seed", type=int, metavar="N", help="run seed of the instances (default: fresh)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="new folder")
    parser.add_argument("--organisation", default="scribe-suite", metavar="NAME", help="Harbor's name before the slash")
    parser.add_argument(
        "--agent-timeout",
        type=float,
        default=AGENT_TIMEOUT_S,
        metavar="SECONDS",
        help="time of an agent (default: 1800)",
    )
    add_results_dir(parser)


def run(options: argparse.Namespace) -> int:
    """Mark the seed as burnt, write the folders and name them."""
    from scribe_suite.errors import ConfigurationError
    from scribe_suite.exports.harbor.folders import export_task
    from scribe_suite.exports.runs import new_folder
    from scribe_suite.ledger.burnt_seeds import burn
    from scribe_suite.seeds import fresh_run_seed
    from scribe_suite.tasks.registry import default_registry

    if options.instances < 1:
        raise ConfigurationError(f"--instances is {options.instances}; it must be at least 1.")
    if not options.agent_timeout > 0:
        raise ConfigurationError(f"--agent-timeout is {options.agent_timeout:g}; it must be above 0 seconds.")
    if options.seed is not None and not 0 <= options.seed < 10**18:
        raise ConfigurationError(f"--seed is {options.seed}; it must be a whole number from 0 on.")
    task = default_registry()[options.task]
    seed = fresh_run_seed() if options.seed is None else options.seed
    new_folder(options.output)
    # before anything is written: a folder that exists must never have a seed that is accepted
    burnt = burn(seed, task.id, options.instances, f"export-task to {options.output.name}", options.results_dir)
    for folder in export_task(
        task.id,
        seed,
        options.instances,
        options.output,
        organisation=options.organisation,
        agent_timeout_s=options.agent_timeout,
    ):
        print(folder)
    print(
        f"These instances are public as soon as you share the folders: the seed {seed} is burnt, and --instance-seed "
        f"refuses it from now on ({', '.join(map(str, burnt))}).",
        file=sys.stderr,
    )
    return 0
