"""The hidden side of an instance on a real model."""

from __future__ import annotations

from dataclasses import dataclass

from ground_truth.probes.real.statements import StatementRows
from scribe_suite.scoring.real_probes import MeasuredQuestion


@dataclass(frozen=True)
class Hidden:
    """What the evaluator keeps.

    Attributes:
        question: Name of the question.
        measured: What is known about it.
        public: The statements that agents have, in their order.
        held_out: The statements that answers are judged on.
    """

    question: str
    measured: MeasuredQuestion
    public: StatementRows
    held_out: StatementRows
