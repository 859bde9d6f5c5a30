"""Agreement of a verb with its subject across another noun (Linzen et al. 2016, arXiv 1611.01368), in a real model.

"The keys near the old cabinet" goes on with "are". On the counterfactual prompt the subject has the other number.
"""

from __future__ import annotations

import random

from ground_truth.circuits.real.behaviour import Behaviour, Drawn, Frames
from ground_truth.circuits.real.laboratory import granted
from ground_truth.circuits.real.measurement import CircuitMeasurement
from ground_truth.circuits.real.task import MeasuredCircuitTask
from ground_truth.circuits.real.words import HIDDEN_NOUNS, NOUNS

_VERBS = ((" is", " are"), (" was", " were"), (" has", " have"))
_PUBLIC: Frames = {
    "templates": (
        "The {subject} of the other {noun}",
        "The {subject} near the old {noun}",
        "The {subject} from the old {noun}",
        "The {subject} who met the {noun}",
    ),
    "nouns": NOUNS,
    "verbs": _VERBS,
}
_HIDDEN: Frames = {
    "templates": (
        "The {subject} of the other {noun}",
        "The {subject} near the old {noun}",
        "The {subject} next to the {noun}",
        "The {subject} seen by the {noun}",
        "The {subject} that liked the {noun}",
    ),
    "nouns": HIDDEN_NOUNS,
    "verbs": _VERBS,
}


def draw(rng: random.Random, frames: Frames) -> Drawn:
    """A subject and another noun, each in either number; the counterfactual's subject has the other number."""
    subject, noun = rng.sample(frames["nouns"], 2)
    template = rng.choice(frames["templates"])
    number, between = rng.randrange(2), rng.randrange(2)  # 1: plural
    weight = 1 / len(frames["verbs"])
    return {
        "clean": template.format(subject=subject[number], noun=noun[between]),
        "counterfactual": template.format(subject=subject[1 - number], noun=noun[between]),
        "options": [verb[number] for verb in frames["verbs"]] + [verb[1 - number] for verb in frames["verbs"]],
        "weights": [weight] * len(frames["verbs"]) + [-weight] * len(frames["verbs"]),
    }


class SubjectVerbAgreementReal(MeasuredCircuitTask):
    """``circuits/subject_verb_agreement_real``."""

    name = "subject_verb_agreement_real"
    summary = "Rank the heads and MLPs of a real language model by what they do for the agreement of subject and verb."
    behaviour = Behaviour(draw=draw, public=_PUBLIC, hidden=_HIDDEN, readout="logits", hidden_pairs=36)
    measurement = CircuitMeasurement(name, behaviour, cost="4.5 CPU minutes")
    laboratory = granted(7)
