"""Numbers that are smaller than others, in some sense: can a linear probe read it in a real language model?"""

from __future__ import annotations

from ground_truth.probes.real.measurement import ProbeMeasurement
from ground_truth.probes.real.numbers import NUMBERS, in_words
from ground_truth.probes.real.statements import Comparison, Question
from ground_truth.probes.real.task import MeasuredProbeTask


def questions() -> list[Question]:
    """The questions that instances draw from."""
    words, digits = {in_words(n): float(-n) for n in NUMBERS}, {str(n): float(-n) for n in NUMBERS}
    return [
        Comparison(
            "words_inside", "the statement about two numbers is true", words, "the number {x} is smaller than {y}.",
        ),
        Comparison("digits", "the statement about two numbers is true", digits, "{x} is smaller than {y}."),
        Comparison(
            "last_two_of_square", "the statement about the last two digits of two squares is true",
            {str(n): -float(n * n % 100) for n in NUMBERS},
            "the square of {x} ends in a smaller two-digit number than the square of {y}.",
        ),
    ]  # fmt: skip


class SmallerThanReal(MeasuredProbeTask):
    """Read from a real model whether a comparison of numbers is true, where that is possible."""

    name = "smaller_than_real"
    summary = 'In a real model, find a linear probe for "is smaller than", or say that there is none.'
    measurement = ProbeMeasurement(
        name,
        questions,
        summary="what linear probes read about smaller numbers, with controls",
        cost="3 CPU minutes",
    )
