"""Indirect object identification (Wang et al. 2022, arXiv 2211.00593) in a real language model.

"When Mary and John went to the store, John gave a drink to": the model prefers the name that is not repeated. On the
counterfactual prompt three other names stand in the three places, so that it has reason to say neither.
"""

from __future__ import annotations

import random

from ground_truth.circuits.real.behaviour import Behaviour, Drawn, Frames
from ground_truth.circuits.real.laboratory import granted
from ground_truth.circuits.real.measurement import CircuitMeasurement
from ground_truth.circuits.real.task import MeasuredCircuitTask
from ground_truth.circuits.real.words import HIDDEN_NAMES, HIDDEN_OBJECTS, HIDDEN_PLACES, NAMES, OBJECTS, PLACES

_PUBLIC: Frames = {
    "templates": (
        "Then, {first} and {second} went to the {place}. {giver} gave a {object} to",
        "When {first} and {second} had lunch at the {place}, {giver} gave a {object} to",
        "While {first} and {second} were working at the {place}, {giver} gave a {object} to",
        "Then {first} and {second} found a {object} at the {place}. {giver} gave it to",
    ),
    "names": NAMES,
    "places": PLACES,
    "objects": OBJECTS,
}
_HIDDEN: Frames = {
    "templates": (
        "Then, {first} and {second} went to the {place}. {giver} gave a {object} to",
        "While {first} and {second} were working at the {place}, {giver} gave a {object} to",
        "When {first} and {second} arrived at the {place}, then {giver} passed a {object} to",
        "While {first} and {second} were in the big {place}, {giver} offered a {object} to",
        "As {first} and {second} were leaving the old {place}, {giver} gave a {object} to",
        "When {first} and {second} got a {object} at the {place}, {giver} gave it to",
    ),
    "names": HIDDEN_NAMES,
    "places": HIDDEN_PLACES,
    "objects": HIDDEN_OBJECTS,
}


def draw(rng: random.Random, frames: Frames) -> Drawn:
    """Two people of whom either gives something; the counterfactual has three others."""
    first, second, *others = rng.sample(frames["names"], 5)
    giver, receiver = rng.sample([first, second], 2)
    template = rng.choice(frames["templates"])
    about = {"place": rng.choice(frames["places"]), "object": rng.choice(frames["objects"])}
    return {
        "clean": template.format(first=first, second=second, giver=giver, **about),
        "counterfactual": template.format(first=others[0], second=others[1], giver=others[2], **about),
        "options": [f" {receiver}", f" {giver}"],
        "weights": [1.0, -1.0],
    }


class IoiReal(MeasuredCircuitTask):
    """``circuits/ioi_real``."""

    name = "ioi_real"
    summary = "Rank the heads and MLPs of a real language model by what they do to name whom something was given to."
    behaviour = Behaviour(draw=draw, public=_PUBLIC, hidden=_HIDDEN, readout="logits", hidden_pairs=24)
    measurement = CircuitMeasurement(name, behaviour, cost="6 CPU minutes")
    laboratory = granted(16, tight=1_250)
    headroom_levels = (4,)
