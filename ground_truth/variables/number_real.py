"""Number of a subject and tense of a sentence about it, in a real model (minimal pairs as in CausalGym).

"She says that the teachers near the boy" goes on with "are", "She said that the teacher near the boy" with "was".
"""

from __future__ import annotations

import random

from ground_truth.variables.real.behaviour import Behaviour, Drawn, Frames, Property
from ground_truth.variables.real.measurement import SubspaceMeasurement
from ground_truth.variables.real.task import MeasuredSubspaceTask
from ground_truth.variables.real.windows import Window
from ground_truth.variables.real.words import HIDDEN_NOUNS, HIDDEN_VERBS, NOUNS, VERBS

_PUBLIC: Frames = {
    "templates": (
        "She {verb} that the {subject} {where} the {noun}",
        "They {verb} that the {subject} {where} the {noun}",
    ),
    "nouns": NOUNS,
    "verbs": VERBS,
    "wheres": ("near", "of", "from"),
}
_HIDDEN: Frames = {
    "templates": ("He {verb} that the {subject} {where} the {noun}", "We {verb} that the {subject} {where} the {noun}"),
    "nouns": HIDDEN_NOUNS,
    "verbs": HIDDEN_VERBS,
    "wheres": ("near", "behind", "with"),
}


_LAST = ("the last token", 8)
_WINDOWS = (
    Window("number at the end, middle", 0, *_LAST, (8, 20), (14, 20)),
    Window("number at the end, late", 0, *_LAST, (26, 29), (27, 28)),
    Window("tense at the end, early", 1, *_LAST, (4, 14), (8, 14)),
    Window("tense at the end, late", 1, *_LAST, (26, 29), (27, 28)),
)


def draw(rng: random.Random, frames: Frames) -> Drawn:
    """Subjects in either number after a verb of either tense; another noun stands before the next verb."""
    contexts = []
    for _ in range(2):
        (subject, noun), (template, where, verb) = (
            rng.sample(frames["nouns"], 2),
            [rng.choice(frames[name]) for name in ("templates", "wheres", "verbs")],
        )
        words = {"where": where, "noun": noun[rng.randrange(2)]}
        contexts.append(
            [[template.format(verb=verb[y], subject=subject[x], **words) for y in range(2)] for x in range(2)]
        )
    return {"prompts": contexts, "options": [[" is", " was"], [" are", " were"]]}


class NumberReal(MeasuredSubspaceTask):
    """``variables/number_real``."""

    name = "number_real"
    summary = (
        "In a real model, find the directions of a subject's number or a sentence's tense, or that there are none."
    )
    behaviour = Behaviour(
        draw=draw,
        properties=(
            Property("number", "the number of the subject", "singular or plural"),
            Property("tense", "the tense of the sentence", "present or past"),
        ),
        public=_PUBLIC,
        hidden=_HIDDEN,
    )
    measurement = SubspaceMeasurement(name, behaviour, _WINDOWS, cost="5 CPU minutes")
