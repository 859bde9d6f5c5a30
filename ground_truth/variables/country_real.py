"""Country of a city and the form in which it is named, in a real model (attributes of cities as in RAVEL).

"They live in Milan, the city in" goes on with "Italy", "They live in Milan, so they are" with "Italian".
"""

from __future__ import annotations

import random

from ground_truth.variables.real.behaviour import Behaviour, Drawn, Frames, Property
from ground_truth.variables.real.measurement import SubspaceMeasurement
from ground_truth.variables.real.task import MeasuredSubspaceTask
from ground_truth.variables.real.windows import Window
from ground_truth.variables.real.words import CITIES, FORMS, HIDDEN_CITIES

# a template has one form for the country's name and one for its adjective
_PUBLIC: Frames = {
    "templates": (
        ("They live in {city}, the city in", "They live in {city}, so they are"),
        ("We went to {city}, a city in", "We went to {city}, and saw some"),
        ("He was in {city}, a place in", "He was in {city}, in a typical"),
    ),
    "countries": FORMS,
    "cities": CITIES,
}
_HIDDEN: Frames = {
    "templates": (
        ("She moved to {city}, the city in", "She moved to {city}, to become a"),
        ("You arrive in {city}, a town in", "You arrive in {city}, and meet many"),
        ("Look over at {city}, a city in", "Look over at {city}, at its old"),
    ),
    "countries": FORMS,
    "cities": HIDDEN_CITIES,
}


_LAST = ("the last token", 8)
_WINDOWS = (
    Window("country at the end, attention", 0, *_LAST, (26, 29), (26, 28), ("attn_out",)),
    Window("country at the end, late", 0, *_LAST, (25, 29), (25, 28)),
)


def draw(rng: random.Random, frames: Frames) -> Drawn:
    """Two countries, each as two cities, in templates that ask for a country's name or for its adjective."""
    countries = rng.sample(range(len(frames["countries"])), 2)
    cities = [rng.sample(frames["cities"][at], 2) for at in countries]
    templates = [rng.choice(frames["templates"]) for _ in range(2)]
    return {
        "prompts": [
            [[form.format(city=city[context]) for form in templates[context]] for city in cities]
            for context in range(2)
        ],
        "options": [[f" {form}" for form in frames["countries"][at]] for at in countries],
    }


class CountryReal(MeasuredSubspaceTask):
    """``variables/country_real``."""

    name = "country_real"
    summary = "In a real model, find the directions of a city's country or of the word's form, or that there are none."
    behaviour = Behaviour(
        draw=draw,
        properties=(
            Property("country", "the country of the city", "that of the one or of the other city"),
            Property("form", "the form in which the country is named", "the name of the country or its adjective"),
        ),
        public=_PUBLIC,
        hidden=_HIDDEN,
    )
    measurement = SubspaceMeasurement(name, behaviour, _WINDOWS, cost="5 CPU minutes")
