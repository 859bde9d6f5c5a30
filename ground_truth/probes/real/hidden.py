"""The hidden side of an instance on a real model."""

from __future__ import annotations

from dataclasses import dataclass

from ground_truth.probes.real.statements import StatementRows
from scribe_suite.scoring.real_probes import MeasuredQuestion


@dataclass(frozen=True)
class Hidden:
    """The evaluator's data.

    Attributes:
        question: Name of the question.
        measured: The measurements on it.
        public: The agents' statements, in their order.
        held_out: The statements on which answers are judged.
    """

    question: str
    measured: MeasuredQuestion
    public: StatementRows
    held_out: StatementRows

    @property
    def null(self) -> bool:
        """Whether the property can't be read."""
        return not self.measured.readable
