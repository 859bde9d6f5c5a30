"""Later years (Hanna et al. 2023, arXiv 2305.00586) in a real language model.

"The war lasted from the year 1741 to the year 17" goes on with a digit that makes the year a later one, if
the model writes numbers digit by digit: the next token is the tens digit. On the counterfactual prompt the first year's
is 0.
"""

from __future__ import annotations

import random

from ground_truth.circuits.real.behaviour import Behaviour, Drawn, Frames
from ground_truth.circuits.real.laboratory import granted
from ground_truth.circuits.real.measurement import CircuitMeasurement
from ground_truth.circuits.real.task import MeasuredCircuitTask
from ground_truth.circuits.real.words import EVENTS, HIDDEN_EVENTS

_PUBLIC: Frames = {
    "templates": (
        "The {event} lasted from the year {year} to the year {century}",
        "The {event} began in the year {year} and ended in {century}",
    ),
    "events": EVENTS,
    "centuries": (11, 13, 15, 17),
}
_HIDDEN: Frames = {
    "templates": (
        "The {event} lasted from the year {year} to the year {century}",
        "The {event} started in early {year} and went on until {century}",
        "The {event} ran from the spring of {year} up to {century}",
        "A {event} was going on from year {year} to year {century}",
    ),
    "events": HIDDEN_EVENTS,
    "centuries": (12, 14, 16, 17, 18),
}


def draw(rng: random.Random, frames: Frames) -> Drawn:
    """A first year whose tens digit is 2 to 7, in the counterfactual 0; the digit itself is no option."""
    century, tens, unit = rng.choice(frames["centuries"]), rng.randint(2, 7), rng.randint(1, 9)
    template, event = rng.choice(frames["templates"]), rng.choice(frames["events"])
    options = [digit for digit in range(10) if digit != tens]
    return {
        "clean": template.format(event=event, year=f"{century}{tens}{unit}", century=century),
        "counterfactual": template.format(event=event, year=f"{century}0{unit}", century=century),
        "options": [str(digit) for digit in options],
        "weights": [1.0 if digit > tens else -1.0 for digit in options],
    }


class GreaterThanReal(MeasuredCircuitTask):
    """``circuits/greater_than_real``."""

    name = "greater_than_real"
    summary = "Rank the heads and MLPs of a real language model by what they do to end something after it began."
    behaviour = Behaviour(draw=draw, public=_PUBLIC, hidden=_HIDDEN, readout="probabilities", hidden_pairs=16)
    measurement = CircuitMeasurement(name, behaviour, cost="6 CPU minutes")
    laboratory = granted(18, tight=300, generous=1_000)
