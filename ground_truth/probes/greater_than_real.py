"""Numbers that are larger than others, in some sense: can a linear probe read it in a real language model?"""

from __future__ import annotations

from ground_truth.probes.real.measurement import ProbeMeasurement
from ground_truth.probes.real.numbers import NUMBERS, in_words
from ground_truth.probes.real.statements import Comparison, Question
from ground_truth.probes.real.task import MeasuredProbeTask


def questions() -> list[Question]:
    """The questions that instances draw from."""
    words, digits = {in_words(n): float(n) for n in NUMBERS}, {str(n): float(n) for n in NUMBERS}
    return [
        Comparison("words", "the statement about two numbers is true", words, "{x} is larger than {y}."),
        # inside the sentence both numbers are the same tokens; at its start the first one is not
        Comparison(
            "words_inside", "the statement about two numbers is true", words, "the number {x} is larger than {y}.",
        ),
        Comparison("digits", "the statement about two numbers is true", digits, "{x} is larger than {y}."),
        Comparison(
            "digit_sum", "the statement about the digit sums of two numbers is true",
            {str(n): float(n // 10 + n % 10) for n in NUMBERS}, "the digit sum of {x} is larger than that of {y}.",
        ),
        Comparison(
            "divisors", "the statement about the divisors of two numbers is true",
            {str(n): float(sum(n % d == 0 for d in range(1, n + 1))) for n in NUMBERS},
            "{x} has more divisors than {y}.", near=(2, 7),
        ),
    ]  # fmt: skip


class GreaterThanReal(MeasuredProbeTask):
    """Read from a real model whether a comparison of numbers is true, where that is possible."""

    name = "greater_than_real"
    summary = 'In a real model, find a linear probe for "is greater than", or say that there is none.'
    measurement = ProbeMeasurement(
        name,
        questions,
        summary="what linear probes read about larger numbers, with controls",
        cost="5 CPU minutes",
    )
