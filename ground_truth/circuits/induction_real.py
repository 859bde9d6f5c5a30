"""Induction (Olsson et al. 2022, arXiv 2209.11895) in a real language model: repeated words that mean nothing together.

Five words are listed in random order, then the first three once more; the model goes on as the first time. On the
counterfactual prompt five other words stand before the repetition, which then is none. Small
models hardly repeat bare words, but they do repeat lists.
"""

from __future__ import annotations

import random

from ground_truth.circuits.real.behaviour import Behaviour, Drawn, Frames
from ground_truth.circuits.real.laboratory import granted
from ground_truth.circuits.real.measurement import CircuitMeasurement
from ground_truth.circuits.real.task import MeasuredCircuitTask
from ground_truth.circuits.real.words import (
    EVENTS,
    HIDDEN_EVENTS,
    HIDDEN_NOUNS,
    HIDDEN_OBJECTS,
    HIDDEN_PLACES,
    NOUNS,
    OBJECTS,
    PLACES,
)

_LISTED, _REPEATED = 5, 3


def _words(*lists: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({word for words in lists for word in words}))


_PUBLIC: Frames = {
    "joints": (",", " or"),
    "words": _words(PLACES, OBJECTS, EVENTS, tuple(plural for _, plural in NOUNS)),
    "sizes": (_LISTED, _REPEATED),
}
_HIDDEN: Frames = {
    "joints": (",", " and", "."),
    "words": _words(HIDDEN_PLACES, HIDDEN_OBJECTS, HIDDEN_EVENTS, tuple(plural for _, plural in HIDDEN_NOUNS)),
    "sizes": (_LISTED, _REPEATED),
}


def draw(rng: random.Random, frames: Frames) -> Drawn:
    """Some words and their beginning again; the counterfactual has other words before the beginning."""
    listed, repeated = frames["sizes"]
    joint = rng.choice(frames["joints"])
    words = rng.sample(frames["words"], 2 * listed)
    again = words[:repeated]
    return {
        "clean": "".join(f" {word}{joint}" for word in words[:listed] + again),
        "counterfactual": "".join(f" {word}{joint}" for word in words[listed:] + again),
        "options": [f" {words[repeated]}"],
        "weights": [1.0],
    }


class InductionReal(MeasuredCircuitTask):
    """``circuits/induction_real``."""

    name = "induction_real"
    summary = "Rank the heads and MLPs of a real language model by what they do to go on with what stood there before."
    behaviour = Behaviour(draw=draw, public=_PUBLIC, hidden=_HIDDEN, readout="log_probabilities", hidden_pairs=16)
    measurement = CircuitMeasurement(
        name,
        behaviour,
        cost="6 CPU minutes",
        accuracy_bar=0.5,  # of the likeliest token being the right one among some 50,000
    )
    laboratory = granted(17, tight=5_500, generous=11_000)
