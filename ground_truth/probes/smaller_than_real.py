"""Things that are smaller than others: can a linear probe read it in a real language model?"""

from __future__ import annotations

from ground_truth.probes.real.measurement import ProbeMeasurement
from ground_truth.probes.real.sizes import FACTOR, animal_sizes, country_areas, reversed_order
from ground_truth.probes.real.statements import Comparison, Question
from ground_truth.probes.real.task import MeasuredProbeTask


def questions() -> list[Question]:
    """The questions that instances draw from."""
    smaller = "what is named first is smaller than what is named second"
    is_smaller = "{x} is smaller than {y}."
    animals, areas = reversed_order(animal_sizes()), reversed_order(country_areas())
    return [
        Comparison("animals", smaller, animals, is_smaller, block_size=24, near=(9, 23), apart=FACTOR["animals"]),
        Comparison("countries_near", smaller, areas, is_smaller, block_size=24, near=(1, 3), apart=FACTOR["areas"]),
    ]


class SmallerThanReal(MeasuredProbeTask):
    """Read from a real model whether a comparison of sizes is true, where that is possible."""

    name = "smaller_than_real"
    version = 4
    summary = 'In a real model, find a linear probe for "is smaller than", or say that there is none.'
    measurement = ProbeMeasurement(
        name,
        questions,
        summary="what linear probes read about smaller things, with controls",
        cost="2 CPU minutes",
    )
