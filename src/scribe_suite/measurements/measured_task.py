"""Tasks on a real language model: their truth is measured, and they are available only if both model and truth are."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from scribe_suite.errors import InfrastructureError
from scribe_suite.measurements.measurement import Measurement
from scribe_suite.measurements.selection import selected_model
from scribe_suite.measurements.store import Measured, MeasuredRecord, find_measured, find_record, truth_of
from scribe_suite.tasks.facts import TaskFacts
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import Task

if TYPE_CHECKING:
    from transformer_lens import HookedTransformer


class MeasuredTask(Task):
    """One question about a real language model.

    Class attributes:
        measurement: The measurement of its truth.
    """

    source: ClassVar[str] = "real"
    measurement: ClassVar[Measurement]

    @property
    def model(self) -> str:
        """Specification of the model that is selected for this process."""
        return selected_model()

    def known_facts(self) -> TaskFacts:
        """See `Task.known_facts`."""
        known = {
            "truth": truth_of(self.measurement),
            "decides_itself": self._decides_otherwise_than(MeasuredTask),
        }
        return super().known_facts().model_copy(update=known)

    def unavailable(self) -> str | None:
        """See `Task.unavailable`: the model is not converted, or the truth is not measured."""
        found = find_record(truth_of(self.measurement), self.model)
        return found if isinstance(found, str) else None

    def model_facts(self) -> dict[str, Any]:
        """What prompts say about the model, as ``facts.model``: see `ModelDescription`; JSON-safe.

        Raises:
            ConfigurationError: When the model is not converted.
        """
        from scribe_suite.models.description import describe

        described = describe(self.model)
        return {**asdict(described), "tokens_per_s": described.tokens_per_s}

    def truth_facts(self) -> dict[str, str]:
        """See `Task.truth_facts`: the model and the measured result."""
        return _identity(self.measured().record)

    def measured(self) -> Measured:
        """The measured truth, read once per process.

        Raises:
            InfrastructureError: With cause ``truth_missing`` and the command that makes it.
        """
        return _measured(self.measurement, self.model)

    def evaluator(self) -> HookedTransformer:
        """The evaluator's model."""
        from scribe_suite.models.evaluator import evaluator_model

        return evaluator_model(self.model)


def unavailable(task: TaskFacts) -> str | None:
    """Why a task can't be done on this machine, without importing its file if possible; see `Task.unavailable`."""
    if task.decides_itself:
        return default_registry()[task.id].unavailable()
    if task.truth is None:
        return None
    found = find_record(task.truth, selected_model())
    return found if isinstance(found, str) else None


def truth_facts(task: TaskFacts) -> dict[str, str]:
    """Identifies a truth, without importing the task's file if possible; see `Task.truth_facts`.

    Raises:
        InfrastructureError: With cause ``truth_missing`` and the command that makes it.
    """
    if task.decides_itself:
        return default_registry()[task.id].truth_facts()
    if task.truth is None:
        return {}
    found = find_record(task.truth, selected_model())
    if isinstance(found, str):
        raise InfrastructureError("truth_missing", found)
    return _identity(found)


def _identity(record: MeasuredRecord) -> dict[str, str]:
    return {"model": record.model, "model_sha256": record.model_sha256, "measured_sha256": record.sha256}


@cache
def _measured(measurement: Measurement, spec: str) -> Measured:
    found = find_measured(measurement, spec)
    if isinstance(found, str):
        raise InfrastructureError("truth_missing", found)
    return found
