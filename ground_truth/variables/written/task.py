"""The base of tasks about models whose weights are written, not trained: choosing, planting and certifying them."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Generic, TypeVar

import torch

from ground_truth.circuits.planted.frozen_bases import add_reference_check, chosen_model
from ground_truth.variables.written.base import WrittenBase
from scribe_suite.planting.frozen import Certificate, FrozenModel, frozen_folder, save_frozen
from scribe_suite.progress import ProgressCallback
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.task import PlantedTask, TaskInstance

#: The lowest value of the reference solution on every base model that is not for a laboratory.
REFERENCE_BAR = 0.9

BaseT = TypeVar("BaseT", bound=WrittenBase)


class WrittenTask(PlantedTask, Generic[BaseT]):
    """Base of tasks about models whose weights are written from a plan.

    Class attributes:
        base_type: The class of their base models.
        certified: The metric of the reference solution that is certified, or "skill".
    """

    family = "variables"
    #: outputs do not tell what the tasks ask for
    black_box = False
    default_levels = (1,)
    base_type: ClassVar[type[WrittenBase]]
    certified: ClassVar[str] = "skill"

    @property
    def models_id(self) -> str:
        """See `PlantedTask.models_id`: each level has its own base models, laboratory levels included."""
        return self.question_id

    @property
    def reference_check(self) -> str:
        """The name of the check of the reference solution."""
        return f"reference/{self.certified}"

    @abstractmethod
    def written(self, seed: int) -> BaseT:
        """The base model of a training seed, without a name."""

    @abstractmethod
    def certificate_of(self, base: BaseT, seed: int) -> Certificate:
        """Check all claims about a base model that can be checked from its weights alone.

        Args:
            base: The base model.
            seed: Draws prompts and controls.
        """

    @abstractmethod
    def instance_of(self, base: BaseT, seed: int) -> TaskInstance:
        """The instance of `seed` made from this base model."""

    def base_of(self, model: FrozenModel) -> BaseT:
        """A frozen base model."""
        base: BaseT = self.base_type.of(model)  # type: ignore[assignment]  # of the task's own type
        return base

    def choose(self, seed: int) -> BaseT:
        """The base model of the instance of `seed`.

        Raises:
            FrozenModelError: If there is none, or one of them can't be trusted.
        """
        return self.base_of(chosen_model(self, seed))

    def instance(self, seed: int) -> TaskInstance:
        """See `Task.instance`: a base model chosen by `seed`, under a symmetry drawn from it."""
        return self.instance_of(self.choose(seed), seed)

    def plant(self, seed: int, progress: ProgressCallback) -> None:
        """See `PlantedTask.plant`: nothing is trained, so there is one attempt."""
        base = self.written(seed)
        progress(0.1, "written; certifying")
        save_frozen(
            frozen_folder(self),
            self,
            seed,
            base.weights,
            key=base.key(),
            certificate=self.certify(base, seed),
            training={"steps": 0, "torch": torch.__version__},
        )
        self.add_checks(seed, progress)

    def certify(self, base: BaseT, seed: int) -> Certificate:
        """The certificate of the base model of a training seed, without the reference solution."""
        return self.certificate_of(base, derive_seed(seed, self.models_id, "certificate"))

    def add_checks(self, seed: int, progress: ProgressCallback) -> bool:
        """See `PlantedTask.add_checks`: what the reference solution reaches, the slowest check.

        A laboratory's solution is measured per level, not on each base model (docs/reference/budgets.md).
        """
        if self.level in self.laboratory:
            return False

        def instance(model: FrozenModel) -> TaskInstance:
            progress(0.5, "certified; measuring the reference solution")
            return self.instance_of(self.base_of(model), derive_seed(seed, self.question_id, "reference"))

        return add_reference_check(
            self,
            seed,
            self.reference_check,
            REFERENCE_BAR,
            instance,
            lambda score: score.skill if self.certified == "skill" else score.metrics[self.certified],
        )
