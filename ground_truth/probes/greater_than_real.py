"""Things larger than others, countries with more inhabitants: can a linear probe read it in a real language model?"""

from __future__ import annotations

from ground_truth.probes.real.measurement import ProbeMeasurement
from ground_truth.probes.real.sizes import FACTOR, animal_sizes, country_areas, country_populations, number_sizes
from ground_truth.probes.real.statements import Comparison, Question
from ground_truth.probes.real.task import MeasuredProbeTask


def questions() -> list[Question]:
    """The questions that instances draw from."""
    larger = "what is named first is larger than what is named second"
    more = "the country named first has more inhabitants than the other"
    is_larger, has_more = "{x} is larger than {y}.", "{x} has more inhabitants than {y}."
    areas, people = country_areas(), country_populations()
    far, near = (9, 23), (1, 3)
    return [
        Comparison("animals", larger, animal_sizes(), is_larger, block_size=24, near=far, apart=FACTOR["animals"]),
        Comparison("countries_near", larger, areas, is_larger, block_size=24, near=near, apart=FACTOR["areas"]),
        Comparison("digits", larger, number_sizes(), is_larger),
        Comparison("inhabitants", more, people, has_more, block_size=23, near=far),
        Comparison("inhabitants_near", more, people, has_more, block_size=23, near=near, apart=FACTOR["populations"]),
    ]


class GreaterThanReal(MeasuredProbeTask):
    """Read from a real model whether a comparison of sizes is true, where that is possible."""

    name = "greater_than_real"
    version = 4
    summary = 'In a real model, find a linear probe for "is larger than" or "has more", or say that there is none.'
    measurement = ProbeMeasurement(
        name,
        questions,
        summary="what linear probes read about larger things, with controls",
        cost="4 CPU minutes",
    )
