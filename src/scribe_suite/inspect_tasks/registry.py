"""What Inspect finds through the entry point ``inspect_ai``: a task for each family of the suite."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample

from scribe_suite.errors import ConfigurationError
from scribe_suite.inspect_tasks.options import WALL_S, TaskOptions
from scribe_suite.inspect_tasks.scorer import scribe_score
from scribe_suite.inspect_tasks.solver import REACT, AgentFactory, agent_factory, in_notebook
from scribe_suite.ledger.burnt_seeds import require_not_burnt
from scribe_suite.notebook.config import CELL_TIMEOUT_S
from scribe_suite.plugin import ONE_THREAD
from scribe_suite.sandbox.tiers import Isolation
from scribe_suite.seeds import fresh_run_seed
from scribe_suite.tasks.facts import TaskFacts
from scribe_suite.tasks.registry import default_registry


def family_task(
    family: str,
    level: int | str | list[int] | None = None,
    tasks: str | list[str] | None = None,
    trials: int = 1,
    seed: int | None = None,
    access: str | None = None,
    source: str = "planted",
    agent: str | AgentFactory = REACT,
    agent_timeout: float = WALL_S,
    cell_timeout: float = CELL_TIMEOUT_S,
    max_turns: int | None = None,
    isolation: Isolation = "auto",
    results_dir: str = "runs",
) -> Task:
    """A family as a task of Inspect; arguments as the options of the same names (docs/reference/options.md).

    Args:
        family: The family.
        level: Levels: a number, a comma list, ``headroom`` or ``all``.
        tasks: Names of tasks, for some of the family.
        trials: Instances of each task.
        seed: The run seed. A run of the suite with the same ``--instance-seed`` has the same instances.
        access: Arms.
        source: ``planted``, ``real`` or ``all``.
        agent: ``react``, ``PACKAGE/NAME`` of an agent that takes ``bridged_tools``, or a function that makes one.
        agent_timeout: Seconds of one attempt.
        cell_timeout: Seconds of one cell.
        max_turns: Turns of the model.
        isolation: ``auto``, ``strict`` or ``none``.
        results_dir: Folder for the notebooks of attempts.

    Raises:
        ConfigurationError: When the arguments leave nothing to run, or the seed is burnt.
    """
    for variable in ONE_THREAD:
        os.environ.setdefault(variable, "1")
    if trials < 1:
        raise ConfigurationError(f"trials must be at least 1, not {trials}.")
    if seed is not None:
        require_not_burnt(seed, Path(results_dir))
    agent_factory(agent)  # a wrong name is told before anything runs
    options = TaskOptions(
        family=family,
        seed=fresh_run_seed() if seed is None else seed,
        tasks=tuple(_texts(tasks)),
        level=",".join(_texts(level)) or None,
        access=access,
        source=source,
        trials=trials,
        wall_s=agent_timeout,
        cell_s=cell_timeout,
        turns=max_turns,
        isolation=isolation,
        results_dir=Path(results_dir),
    )
    chosen = options.chosen()
    samples = [
        Sample(
            id=f"{one.id} t{trial}",
            input=f"{one.id}, trial {trial}",  # the solver puts the prompt in its place when it draws the instance
            metadata={
                "task": one.id,
                "version": one.version,
                "level": one.level,
                "trial": trial,
                "instance_seed": instance_seed,
            },
        )
        for one in chosen
        for trial, instance_seed in enumerate(options.instance_seeds(one))
    ]
    return Task(
        dataset=MemoryDataset(samples, name=family),
        solver=in_notebook(options, agent),
        scorer=scribe_score(_common_metrics(chosen)),
        metadata={"seed": options.seed, "family": family},
    )


def _common_metrics(tasks: list[TaskFacts]) -> list[str]:
    """The metrics that all tasks have, in the order of the first."""
    first, *rest = tasks
    return [name for name in first.metrics if all(name in one.metrics for one in rest)]


def _texts(value: str | int | list[int] | list[str] | None) -> list[str]:
    """The parts of a list, as Inspect's command line may have read it: a text, a number, or a list."""
    if value is None:
        return []
    parts = value if isinstance(value, list) else str(value).split(",")
    return [str(part).strip() for part in parts]


def _register(family: str) -> Callable[..., Task]:
    """Make the task of a family known to Inspect under its name."""

    def run(
        level: int | str | list[int] | None = None,
        tasks: str | list[str] | None = None,
        trials: int = 1,
        seed: int | None = None,
        access: str | None = None,
        source: str = "planted",
        agent: str = REACT,
        agent_timeout: float = WALL_S,
        cell_timeout: float = CELL_TIMEOUT_S,
        max_turns: int | None = None,
        isolation: Isolation = "auto",
        results_dir: str = "runs",
    ) -> Task:
        return family_task(
            family, level, tasks, trials, seed, access, source, agent, agent_timeout, cell_timeout, max_turns,
            isolation, results_dir,
        )  # fmt: skip

    run.__name__ = run.__qualname__ = family
    run.__doc__ = f"The family {family}; see `family_task`."
    return task(name=family)(run)  # type: ignore[no-any-return]


#: By family.
FAMILIES = {family: _register(family) for family in default_registry().families()}
