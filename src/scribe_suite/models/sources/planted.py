"""``planted:FAMILY/NAME/seedN``: the suite's own base models, with the same interface as other models.

For programs that take any model, and for comparisons. Tasks draw fresh instances of base models instead, and nothing
here reveals a key: only weights and shape are read.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from scribe_suite.errors import ConfigurationError, FrozenModelError
from scribe_suite.models.sources.base import Loaded, ModelSource, served
from scribe_suite.planting.frozen import FrozenModel, frozen_folder, list_frozen, load_frozen
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import PlantedTask

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor


class PlantedModel(ModelSource):
    """A frozen base model of a task."""

    kind = "planted"
    form = "FAMILY/NAME/seedN"
    meaning = (
        "one of this suite's frozen base models, such as `circuits/ioi/seed0`, for programs that take any model; "
        "`scribe-suite tasks` lists the tasks"
    )
    needs = "nothing"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        match = re.fullmatch(r"([^/]+/[^/]+)/seed(\d+)", name)
        if match is None:
            raise ConfigurationError(
                f"planted:{name} is not a base model: write planted:circuits/ioi/seed0, for example."
            )
        self._models_id, self._seed = match[1], int(match[2])

    def origin(self) -> dict[str, str] | None:
        """The checksum of the weights; None when they don't exist or can't be trusted."""
        try:
            return {"sha256": self._frozen().record.sha256}
        except ConfigurationError:
            return None

    def places(self) -> tuple[Path, ...]:
        """The folder of the task's base models."""
        return (frozen_folder(self._task()),)

    def load(self) -> Loaded:
        """Build the model; the original is the same model before it is written."""
        from scribe_suite.planting.hooked import build_model

        model = build_model(self._frozen().weights)
        log_probabilities = served(model)

        def original(ids: Int[Tensor, "1 position"]) -> Float[Tensor, "1 position vocabulary"]:
            return log_probabilities(ids.long())

        return Loaded(original, model, None)

    def _frozen(self) -> FrozenModel:
        """The base model.

        Raises:
            ConfigurationError: When it does not exist or can't be trusted.
        """
        task = self._task()
        path = frozen_folder(task) / f"seed{self._seed}.json"
        if path not in list_frozen(path.parent):
            seeds = ", ".join(found.stem for found in list_frozen(path.parent)) or "none"
            raise ConfigurationError(f"{self.spec} is not frozen; of {self._models_id} there are: {seeds}.")
        try:
            return load_frozen(path, task)
        except FrozenModelError as error:
            raise ConfigurationError(str(error)) from error

    def _task(self) -> PlantedTask:
        planted = [task for task in default_registry().values() if isinstance(task, PlantedTask)]
        for task in planted:
            if task.models_id == self._models_id:
                return task
        known = sorted({task.models_id for task in planted})
        raise ConfigurationError(f"No task has base models {self._models_id!r}; there are: {', '.join(known)}.")
