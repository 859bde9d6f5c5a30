"""The measurements of the probe tasks on a real model, one per task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ground_truth.probes.real import questions
from ground_truth.probes.real.measurement import ProbeMeasurement
from ground_truth.probes.real.statements import Question


class CitiesMeasurement(ProbeMeasurement):
    """Of probes/cities_real."""

    id: ClassVar[str] = "probes/cities_real"
    summary: ClassVar[str] = "what linear probes read about cities, by layer and position, with controls"
    cost: ClassVar[str] = "4 CPU minutes"

    def questions(self) -> Sequence[Question]:
        """See `ProbeMeasurement.questions`."""
        return questions.cities()


class GreaterThanMeasurement(ProbeMeasurement):
    """Of probes/greater_than_real."""

    id: ClassVar[str] = "probes/greater_than_real"
    summary: ClassVar[str] = "what linear probes read about larger numbers, with controls"
    cost: ClassVar[str] = "5 CPU minutes"

    def questions(self) -> Sequence[Question]:
        """See `ProbeMeasurement.questions`."""
        return questions.greater_than()


class SmallerThanMeasurement(ProbeMeasurement):
    """Of probes/smaller_than_real."""

    id: ClassVar[str] = "probes/smaller_than_real"
    summary: ClassVar[str] = "what linear probes read about smaller numbers, with controls"
    cost: ClassVar[str] = "3 CPU minutes"

    def questions(self) -> Sequence[Question]:
        """See `ProbeMeasurement.questions`."""
        return questions.smaller_than()


class GrammarMeasurement(ProbeMeasurement):
    """Of probes/grammar_real."""

    id: ClassVar[str] = "probes/grammar_real"
    summary: ClassVar[str] = "what linear probes read about agreement, with controls"
    cost: ClassVar[str] = "4 CPU minutes"

    def questions(self) -> Sequence[Question]:
        """See `ProbeMeasurement.questions`."""
        return questions.grammar()


class FactsMeasurement(ProbeMeasurement):
    """Of probes/facts_real."""

    id: ClassVar[str] = "probes/facts_real"
    summary: ClassVar[str] = "what linear probes read about simple facts, by relation, with controls"
    cost: ClassVar[str] = "5 CPU minutes"

    def questions(self) -> Sequence[Question]:
        """See `ProbeMeasurement.questions`."""
        return questions.facts()
