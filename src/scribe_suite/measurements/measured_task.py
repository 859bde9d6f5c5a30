"""Tasks on a real language model: their truth is measured, and they are there only where model and truth are."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from typing import Any, ClassVar

from transformer_lens import HookedTransformer

from scribe_suite.errors import InfrastructureError
from scribe_suite.measurements.measurement import Measurement
from scribe_suite.measurements.selection import selected_model
from scribe_suite.measurements.store import Measured, find_measured
from scribe_suite.models.description import describe
from scribe_suite.models.evaluator import evaluator_model
from scribe_suite.tasks.task import Task


class MeasuredTask(Task):
    """One question about a real language model.

    Class attributes:
        measurement: Where its truth comes from.
    """

    source: ClassVar[str] = "real"
    measurement: ClassVar[Measurement]

    @property
    def model(self) -> str:
        """Specification of the model: the one that is selected for this process."""
        return selected_model()

    def unavailable(self) -> str | None:
        """See `Task.unavailable`: the model is not converted, or the truth is not measured."""
        found = find_measured(self.measurement, self.model)
        return found if isinstance(found, str) else None

    def model_facts(self) -> dict[str, Any]:
        """What prompts say about the model, as ``facts.model``: see `ModelDescription`; JSON-safe.

        Raises:
            ConfigurationError: When the model is not converted.
        """
        described = describe(self.model)
        return {**asdict(described), "tokens_per_s": described.tokens_per_s}

    def truth_facts(self) -> dict[str, str]:
        """See `Task.truth_facts`: the model and the measured result."""
        record = self.measured().record
        return {"model": record.model, "model_sha256": record.model_sha256, "measured_sha256": record.sha256}

    def measured(self) -> Measured:
        """The truth, read once per process.

        Raises:
            InfrastructureError: With cause ``truth_missing`` and the command that makes it.
        """
        return _measured(self.measurement, self.model)

    def evaluator(self) -> HookedTransformer:
        """The model as the evaluator has it."""
        return evaluator_model(self.model)


@cache
def _measured(measurement: Measurement, spec: str) -> Measured:
    found = find_measured(measurement, spec)
    if isinstance(found, str):
        raise InfrastructureError("truth_missing", found)
    return found
