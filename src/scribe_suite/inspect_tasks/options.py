"""The options of a task: what ``-T NAME=VALUE`` sets, with the defaults and the words of the suite's own options."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scribe_suite.errors import ConfigurationError
from scribe_suite.notebook.config import CELL_TIMEOUT_S
from scribe_suite.plugin.option.arms import ArmChoice
from scribe_suite.plugin.option.levels import LevelChoice
from scribe_suite.sandbox.tiers import Isolation
from scribe_suite.seeds import attempt_seed
from scribe_suite.tasks.facts import TaskFacts
from scribe_suite.tasks.registry import default_registry

WALL_S = 1800.0


@dataclass(frozen=True)
class TaskOptions:
    """What is run, and within which limits.

    Attributes:
        family: The family.
        seed: The run seed, as of ``--instance-seed``.
        tasks: Names of tasks to run, with or without a level; all of the family where there are none.
        level: As of ``--level``; None for each task's default levels.
        access: As of ``--access``; None for each level's own arm.
        source: As of ``--model-source``.
        trials: Instances of each task.
        wall_s: Seconds of one attempt.
        cell_s: Seconds of one cell.
        turns: Turns of the model, or None.
        isolation: As of ``--isolation``.
        results_dir: Folder for the notebooks of attempts.
    """

    family: str
    seed: int
    tasks: tuple[str, ...] = ()
    level: str | None = None
    access: str | None = None
    source: str = "planted"
    trials: int = 1
    wall_s: float = WALL_S
    cell_s: float = CELL_TIMEOUT_S
    turns: int | None = None
    isolation: Isolation = "auto"
    results_dir: Path = Path("runs")

    def chosen(self) -> list[TaskFacts]:
        """The facts of the tasks to run, in the order of the registry.

        Raises:
            ConfigurationError: When the options name a task, level or arm that there is not, or leave nothing to run.
        """
        every = default_registry().facts_of_family(self.family, self.source)
        named = [one for one in every if not self.tasks or self.tasks_name(one)]
        unknown = [name for name in self.tasks if not any(name in (one.name, one.label) for one in every)]
        if unknown:
            known = ", ".join(dict.fromkeys(one.name for one in every))
            raise ConfigurationError(f"The family {self.family} has no task {unknown[0]!r}: choose from {known}.")
        try:
            levels = LevelChoice() if self.level is None else LevelChoice.parse(self.level)
            arms = ArmChoice() if self.access is None else ArmChoice.parse(self.access)
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
        at_level = [one for one in named if levels.chooses(one) or (self.level is None and one.label in self.tasks)]
        chosen = [arm for one in at_level for arm in arms.of(one)]
        problem = levels.not_found(at_level, named) or arms.not_found(chosen)
        if problem is not None or not chosen:
            raise ConfigurationError(problem or f"The options leave no task of {self.family} to run.")
        return chosen

    def tasks_name(self, one: TaskFacts) -> bool:
        """Whether the named tasks include this one."""
        return one.name in self.tasks or one.label in self.tasks

    def instance_seeds(self, task: TaskFacts) -> Iterable[int]:
        """The seeds of a task's instances, as a run of the suite with the same seed has them."""
        return (attempt_seed(self.seed, task.question_id, trial) for trial in range(self.trials))
