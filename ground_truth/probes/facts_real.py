"""The truth of simple facts, one relation each: which of them can a linear probe read in a real language model?"""

from __future__ import annotations

from ground_truth.probes.real.datasets import dataset
from ground_truth.probes.real.measurement import ProbeMeasurement
from ground_truth.probes.real.statements import Question, Relation
from ground_truth.probes.real.task import MeasuredProbeTask


def questions() -> list[Question]:
    """The questions that instances draw from."""
    tables, countries = dataset("facts"), dataset("countries")

    def of_country(field: str) -> dict[str, str]:
        return {row["name"]: row[field] for row in countries if row[field] is not None}

    words = [noun for noun, _ in dataset("words")["people"]] + [value for _, value in tables["opposite"]]
    counts = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    letters = {word: counts[len(word) - 1] for word in words if 3 <= len(word) <= 9}
    fact = "the statement is true"
    return [
        Relation("capital", fact, of_country("capital"), ("the capital of {x} is {y}.",)),
        Relation("currency", fact, of_country("currency"), ("the currency of {x} is the {y}.",)),
        Relation(
            "dialling_code", fact, of_country("dialling_code"), ("the international dialling code of {x} is {y}.",)
        ),
        Relation("symbol", fact, dict(tables["symbol"]), ("the chemical symbol of {x} is {y}.",)),
        Relation("animal", fact, dict(tables["animal"]), ("the {x} is a kind of {y}.",)),
        Relation("opposite", fact, dict(tables["opposite"]), ("the opposite of {x} is {y}.",)),
        Relation("past_tense", fact, dict(tables["past_tense"]), ("the past tense of {x} is {y}.",)),
        Relation("author", fact, dict(tables["author"]), ("the author of {x} is {y}.",)),
        Relation("letters", fact, letters, ("the word {x} has {y} letters.",)),
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
