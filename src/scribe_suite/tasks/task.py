"""The contract between a task and the rest of the suite.

A `Task` knows how a fresh `TaskInstance` is drawn from a seed, and how an answer to that instance is scored. It knows
nothing about pytest, kernels, providers or ledgers. There are three kinds, by where the truth comes from: a
`PlantedTask` is about models that the suite trains with a known truth, a `MeasuredTask`
(`scribe_suite.measurements.measured_task`) about a pretrained model on which the truth was measured, and a plain `Task`
writes all of an instance from its seed. One task is one file under ``ground_truth/<family>/``; the
registry finds it there.
"""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from scribe_suite.laboratory.terms import Terms
from scribe_suite.progress import ProgressCallback
from scribe_suite.tasks.access import ACCESSES, Access, with_access
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer
from scribe_suite.tasks.facts import TaskFacts, base_models_sha256
from scribe_suite.tasks.material import Handed, PublicMaterial, hand_over


@dataclass(frozen=True)
class TaskInstance:
    """A task made concrete from a seed.

    Attributes:
        task: The task this is an instance of.
        seed: The seed it was drawn from; secret while the instance may still be used.
        base_model: Name of the frozen base model it was derived from; secret as well.
        public: What the agent sees.
        hidden: The answer key and held-out data, of a type private to the task. Never serialised into an attempt.
        answer_schema: What a submission must look like.
    """

    task: Task
    seed: int
    base_model: str
    public: PublicMaterial
    hidden: Any = field(repr=False)
    answer_schema: AnswerSchema = field(repr=False)

    @property
    def handed(self) -> Handed:
        """What the agent gets in the arm of its task."""
        return hand_over(self.public, self.task.access, self.task.terms)


@dataclass(frozen=True)
class Score:
    """What a scorer says about one answer.

    Attributes:
        metrics: Metric name -> finite value, as the tables show them.
        primary: The metric that `skill` normalises.
        skill: (score - chance) / (reference - chance), limited to [-1, 1]; 1 is the reference, 0 the best answer that
            ignores the model.
        chance: The primary metric of that model-blind answer on this instance.
        reference: The primary metric of the reference solution on this instance.
        interval: 95 % interval of the primary metric, where the scorer samples; else None.
        flags: Things a reader must know, such as ``below_chance``.
        notes: The same in sentences, which are added to the attempt's reason. They may quote the agent, never the
            answer key.
    """

    metrics: Mapping[str, float]
    primary: str
    skill: float
    chance: float
    reference: float
    interval: tuple[float, float] | None = None
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        numbers = {**self.metrics, "skill": self.skill, "chance": self.chance, "reference": self.reference}
        bad = [name for name, value in numbers.items() if not math.isfinite(value)]
        if bad:
            raise ValueError(f"a score must be finite, but {', '.join(bad)} is not: {numbers}")
        if self.primary not in self.metrics:
            raise ValueError(f"the primary metric {self.primary!r} is not among {sorted(self.metrics)}")


class Task(ABC):
    """One question about a neural network, at one level; subclass `PlantedTask` or `MeasuredTask` in a file of its own.

    Class attributes:
        family: Folder name: ``circuits``, ``neurons``, ``probes``, ...
        name: Task name, which is the file's.
        source: ``planted`` for models of the suite, ``real`` for tasks on a pretrained language model.
        levels: Level -> the setting of the task's difficulty dial, one line each; empty for a task with only level 1
            and the levels of its laboratory.
        laboratory: Further levels -> what the laboratory grants there. By default they hand the model over in a
            laboratory; at other levels, a laboratory grants the same as at the lowest of these.
        black_box: Whether a laboratory that returns only outputs is useful, and therefore an arm.
        default_levels: The levels that run when none are asked for; empty for all but those of its laboratory.
        headroom_levels: The levels at which the mean skill of a capable outside agent was measured below 0.8
            (docs/headroom.md): those that ``--level headroom`` runs.
        version: Raised whenever instances, prompt or scoring change; results of different versions are not comparable.
            The revision of its laboratory is added to it in objects: see `Terms.revision`.
        summary: One line for lists.
        solution: Name of the reference solution's file where several tasks share it; otherwise the file has the task's
            name.
        laboratory_solution: Name of the file of the reference solution for laboratories; empty where there is none.
        metrics: The metrics every score has, in the tables' column order.
        pass_mark: The skill from which the task counts as solved, unless a marker or option says otherwise.

    Args:
        level: One of `levels`; the lowest by default.
        access: The arm; by default that of the level.

    Raises:
        ValueError: When the task has no such level, or no such arm.
    """

    family: ClassVar[str]
    name: ClassVar[str]
    source: ClassVar[str] = "planted"
    levels: ClassVar[Mapping[int, str]] = {}
    laboratory: ClassVar[Mapping[int, Terms]] = {}
    black_box: ClassVar[bool] = True
    default_levels: ClassVar[tuple[int, ...]] = ()
    headroom_levels: ClassVar[tuple[int, ...]] = ()
    version: int = 1
    summary: ClassVar[str]
    solution: ClassVar[str] = ""
    laboratory_solution: ClassVar[str] = ""
    metrics: ClassVar[tuple[str, ...]]
    pass_mark: ClassVar[float] = 0.8
    _budget: int | None = None

    def __init__(self, level: int | None = None, access: Access | None = None) -> None:
        known = self.known_levels()
        self.level = known[0] if level is None else level
        if self.level not in known:
            raise ValueError(f"{self.family}/{self.name} has no level {level}: it has {', '.join(map(str, known))}")
        self.access: Access = self.default_access if access is None else access
        if self.access not in self.accesses:
            raise ValueError(f"{self.family}/{self.name} has no arm {access}: it has {', '.join(self.accesses)}")
        self.version = type(self).version + (0 if self.terms is None else self.terms.revision)

    @classmethod
    def known_levels(cls) -> list[int]:
        """Its levels, including those of its laboratory, in order."""
        return sorted({*(cls.levels or (1,)), *cls.laboratory})

    def with_budget(self, budget: int) -> Self:
        """A copy with another laboratory budget, for studies; the id does not show the difference."""
        other = type(self)(self.level, self.access)
        other._budget = budget
        return other

    @property
    def default_access(self) -> Access:
        """How this level hands the model over unless another arm is asked for."""
        return "lab" if self.level in self.laboratory else "weights"

    @property
    def accesses(self) -> tuple[Access, ...]:
        """All arms of the task."""
        if not self.laboratory:
            return ("weights",)
        return ACCESSES if self.black_box else ("weights", "lab")

    @property
    def terms(self) -> Terms | None:
        """What the laboratory of its arm grants; None for the arm without a laboratory."""
        if self.access == "weights":
            return None
        terms = self.laboratory[self.level if self.level in self.laboratory else min(self.laboratory)]
        if self._budget is not None:
            terms = terms.model_copy(update={"budget": self._budget})
        return terms if self.access == "lab" else terms.black_box

    @property
    def question_id(self) -> str:
        """The id of the question: ``family/name``, and the level where it is not 1. The same in all arms."""
        return f"{self.family}/{self.name}" if self.level == 1 else f"{self.family}/{self.name}_{self.level}"

    @property
    def label(self) -> str:
        """The first part of a test id: the name, the level where it is not 1, the arm where it is not the level's."""
        label = self.question_id.partition("/")[2]
        return label if self.access == self.default_access else with_access(label, self.access)

    @property
    def id(self) -> str:
        """``family/label``."""
        return f"{self.family}/{self.label}"

    @property
    def is_default(self) -> bool:
        """Whether this level runs when none is asked for."""
        return self.level in (self.default_levels or {*self.known_levels()} - {*self.laboratory} or {self.level})

    @property
    def has_headroom(self) -> bool:
        """Whether capable agents were measured to fail at this level."""
        return self.level in self.headroom_levels

    def unavailable(self) -> str | None:
        """Why the task can't be done on this machine, in one sentence with the command that mends that, or None."""
        return None

    def bound(self, instance: TaskInstance) -> int | None:  # noqa: ARG002 -- most tasks have no argument for one
        """The lower bound on what must be spent in its laboratory to solve such instances, in the unit of the budget.

        It holds for every method (it compares, for example, the bits of the answer with the bits of an experiment); a
        good method may need more. None where no such argument is known.
        """
        return None

    def truth_facts(self) -> dict[str, str]:
        """What identifies a truth that is not in frozen base models, for the lock of a run; JSON-safe."""
        return {}

    def base_models_sha256(self, root: Path) -> dict[str, str]:  # noqa: ARG002 -- most kinds have none
        """Hashes of the records of its frozen base models by file name, for the lock of a run.

        Args:
            root: The checkout.
        """
        return {}

    def known_facts(self) -> TaskFacts:
        """What is known of it without its file."""
        return TaskFacts(
            family=self.family,
            name=self.name,
            level=self.level,
            label=self.label,
            source=self.source,
            version=self.version,
            summary=self.summary,
            metrics=self.metrics,
            pass_mark=self.pass_mark,
            is_default=self.is_default,
            has_headroom=self.has_headroom,
            solution=self.solution,
            laboratory_solution=self.laboratory_solution,
            access=self.access,
            accesses=(self.default_access, *(one for one in self.accesses if one != self.default_access)),
            decides_itself=self._decides_otherwise_than(Task),
        )

    def _decides_otherwise_than(self, kind: type) -> bool:
        """Whether it overrides how the facts of its kind of task are found."""
        return any(getattr(type(self), name) is not getattr(kind, name) for name in ("unavailable", "truth_facts"))

    @abstractmethod
    def instance(self, seed: int) -> TaskInstance:
        """Draw the instance of `seed`; the same seed always gives the same bytes.

        Raises:
            FrozenModelError: When no usable base model is found.
        """

    @abstractmethod
    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """Score a validated answer; everything is recomputed from `instance`, nothing is taken on trust.

        Raises:
            TypeError: When the answer is not of the type that the instance's schema asks for.
        """

    @abstractmethod
    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """The right answer, for the oracle provider and for tests."""

    @abstractmethod
    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """A valid answer drawn without looking at the model, for the random provider and for tests."""


class PlantedTask(Task):
    """A question about models that the suite trains, certifies and freezes.

    Class attributes:
        models: Name of the base models where several tasks of the family, or all levels of this one, share them;
            otherwise they have the task's name, with the level where it is not 1. Levels that differ only in what a
            laboratory grants use those of level 1.
        models_version: Raised whenever what is planted changes and base models have to be planted again; tasks with the
            same models have the same version here. Where only the prompt or scoring changes, `version` alone is raised.
    """

    models: ClassVar[str] = ""
    models_version: ClassVar[int] = 1

    @property
    def models_id(self) -> str:
        """``family/name`` of its base models: their folder below ``ground_truth/frozen``."""
        name = self.name if self.level in self.laboratory else self.question_id.partition("/")[2]
        return f"{self.family}/{self.models or name}"

    def known_facts(self) -> TaskFacts:
        """See `Task.known_facts`."""
        return super().known_facts().model_copy(update={"models_id": self.models_id})

    def base_models_sha256(self, root: Path) -> dict[str, str]:
        """See `Task.base_models_sha256`."""
        return base_models_sha256(root, self.models_id)

    @abstractmethod
    def plant(self, seed: int, progress: ProgressCallback) -> None:
        """Train, certify and freeze the base model of `seed`; deterministic for one thread.

        Raises:
            FrozenModelError: When training did not reach the certificate; nothing is written then.
        """

    def add_checks(self, seed: int, progress: ProgressCallback) -> bool:  # noqa: ARG002 -- most tasks have none to add
        """Certify the frozen base model of `seed` for this task, where it was frozen for other tasks earlier.

        Nothing is trained: weights and earlier checks stay as they are.

        Returns:
            Whether checks were missing; always false for a task with its own base models.

        Raises:
            FrozenModelError: When a check fails; nothing is written then.
        """
        return False
