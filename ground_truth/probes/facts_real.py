"""The truth of simple facts, one relation each: which of them can a linear probe read in a real language model?"""

from __future__ import annotations

from ground_truth.probes.real.datasets import dataset
from ground_truth.probes.real.measurement import ProbeMeasurement
from ground_truth.probes.real.statements import Question, Relation
from ground_truth.probes.real.task import MeasuredProbeTask


def questions() -> list[Question]:
    """The questions that instances draw from."""
    tables = dataset("facts")
    capital = {row["name"]: row["capital"] for row in dataset("countries") if row["capital"]}
    by_letters = dataset("words")["by_letters"]

    def letters(*counts: str) -> dict[str, str]:
        return {word: count for count in counts for word in by_letters[count]}

    fact = "the statement is true"
    capital_of, kind_of = ("the capital of {x} is {y}.",), ("the {x} is a kind of {y}.",)
    has_letters = ("the word {x} has {y} letters.",)
    return [
        Relation("capital", fact, capital, capital_of),
        Relation("capital_department", fact, dict(tables["department"]), capital_of),
        Relation("kind_animal", fact, dict(tables["animal"]), kind_of),
        Relation("kind_mineral", fact, dict(tables["mineral"]), kind_of),
        Relation("letters", fact, letters("three", "nine"), has_letters),
        Relation("letters_near", fact, letters("six", "seven"), has_letters),
    ]


class FactsReal(MeasuredProbeTask):
    """Read from a real model whether a simple fact is true, where that is possible."""

    name = "facts_real"
    summary = "In a real model, find a linear probe for statements of simple facts, or say that there is none."
    measurement = ProbeMeasurement(
        name,
        questions,
        summary="what linear probes read about simple facts, by relation, with controls",
        cost="5 CPU minutes",
    )
