"""Properties of statements about real cities: which of them can a linear probe read in a real language model?"""

from __future__ import annotations

from ground_truth.probes.real.datasets import dataset
from ground_truth.probes.real.measurement import ProbeMeasurement
from ground_truth.probes.real.statements import Comparison, Question, Relation
from ground_truth.probes.real.task import MeasuredProbeTask


def questions() -> list[Question]:
    """The questions that instances draw from."""
    rows = dataset("cities")
    country = {row["name"]: row["country"] for row in rows}
    here, not_here = ("the city of {x} is in {y}.",), ("the city of {x} is not in {y}.",)
    size, near = 50, (8, 25)
    return [
        Relation("country", "the statement about the country of a city is true", country, here),
        Relation("country_negated", "the statement about the country of a city is true", country, here, not_here),
        Comparison(
            "north", "the city named first lies further north than the other",
            {row["name"]: row["latitude"] for row in rows}, "{x} lies further north than {y}.",
            block_size=size, near=near,
        ),
        Comparison(
            "people", "the city named first has more inhabitants than the other",
            {row["name"]: row["population"] for row in rows}, "{x} has more inhabitants than {y}.",
            block_size=size, near=near,
        ),
        Comparison(
            "alphabet", "the city named first comes later in alphabetical order than the other",
            _alphabetical([row["name"] for row in rows]), "{x} comes after {y} in alphabetical order.",
            block_size=size, near=near,
        ),
    ]  # fmt: skip


def _alphabetical(names: list[str]) -> dict[str, float]:
    return {name: float(rank) for rank, name in enumerate(sorted(names))}


class CitiesReal(MeasuredProbeTask):
    """Read from a real model what a question about cities asks, where that is possible."""

    name = "cities_real"
    summary = "In a real model, find a linear probe for statements about cities, or say that there is none."
    measurement = ProbeMeasurement(
        name,
        questions,
        summary="what linear probes read about cities, by layer and position, with controls",
        cost="4 CPU minutes",
    )
