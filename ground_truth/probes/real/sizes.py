"""Sizes that statements compare, as logarithms: of animals and countries; and two-digit numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ground_truth.probes.real.datasets import dataset

#: The least difference of logarithms (base 10) between two that are compared. An animal must weigh ten times as much as
#: another, because figures are of typical adults; areas differ by a tenth at least, because sources count waters
#: differently; inhabitants by a third, because counts are of different years.
FACTOR = {"animals": 1.0, "areas": math.log10(1.1), "populations": math.log10(1.33)}
#: Countries of which counts differ by more than that: war, emigration, or no census.
_NOT_COUNTED = {"Eritrea", "Lebanon", "Moldova", "Syria", "Ukraine", "Venezuela", "South Sudan", "Yemen"}


def animal_sizes() -> dict[str, float]:
    """Animal, with its article -> logarithm of a typical adult's mass in kg."""
    return {f"the {name}": math.log10(kg) for name, kg in dataset("facts")["mass_kg"]}


def country_areas() -> dict[str, float]:
    """Country -> logarithm of its area in square kilometres."""
    return {row["name"]: math.log10(row["area_km2"]) for row in dataset("countries")}


def country_populations() -> dict[str, float]:
    """Country -> logarithm of the number of its inhabitants."""
    return {
        row["name"]: math.log10(row["population"]) for row in dataset("countries") if row["name"] not in _NOT_COUNTED
    }


def number_sizes() -> dict[str, float]:
    """A number of two digits, the last not 0 -> itself."""
    return {str(number): float(number) for number in range(21, 100) if number % 10}


def reversed_order(sizes: Mapping[str, float]) -> dict[str, float]:
    """The same with the order reversed."""
    return {name: -size for name, size in sizes.items()}
