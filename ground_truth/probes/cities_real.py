"""Properties of statements about real cities: which of them can a linear probe read in a real language model?"""

from __future__ import annotations

from ground_truth.probes.real.datasets import dataset
from ground_truth.probes.real.measurement import ProbeMeasurement
from ground_truth.probes.real.statements import Comparison, Question, Relation
from ground_truth.probes.real.task import MeasuredProbeTask


def questions() -> list[Question]:
    """The questions that instances draw from."""
    cities, towns = dataset("cities"), dataset("towns")
    country, of_town = ({row["name"]: row["country"] for row in rows} for rows in (cities, towns))
    also, also_town = ({row["name"]: row["namesakes_in"] for row in rows} for rows in (cities, towns))
    latitude = {row["name"]: row["latitude"] for row in cities}
    asks = "the statement about the country of a city is true"
    here, not_here = ("the city of {x} is in {y}.",), ("the city of {x} is not in {y}.",)
    north = "the city named first lies further north than the other", latitude, "{x} lies further north than {y}."
    return [
        Relation("country", asks, country, here, also=also),
        Relation("country_town", asks, of_town, here, also=also_town),
        Relation("country_negated", asks, country, here, not_here, also),
        Relation("country_negated_town", asks, of_town, here, not_here, also_town),
        Comparison("north", *north, block_size=50, near=(20, 49)),
        Comparison("north_near", *north, block_size=50, near=(1, 4), apart=0.3),
    ]


class CitiesReal(MeasuredProbeTask):
    """Read from a real model what a question about cities asks, where that is possible."""

    name = "cities_real"
    headroom_levels = (4,)
    version = 4
    summary = "In a real model, find a linear probe for statements about cities, or say that there is none."
    measurement = ProbeMeasurement(
        name,
        questions,
        summary="what linear probes read about cities, by layer and position, with controls",
        cost="6 CPU minutes",
    )
