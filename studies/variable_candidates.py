"""Behaviours that could become tasks about a real model's properties: is the model right, and does a subspace move one?

    python -m studies.variable_candidates gender              # about half a CPU minute each
    python -m studies.variable_candidates greater_than

A task needs more: a frozen measurement by all methods in windows with something and with nothing to find, with controls
(`ground_truth.variables.real.measurement`). This prints, for either property at the last token, how often the model is
right on hidden prompts, and by layer the score of exchanging everything and of four components of differences, which
were fitted on public prompts. The model has to be converted.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Mapping

import torch

from scribe_suite.measurements import REAL_MODEL
from scribe_suite.models.description import tokenizer_of
from scribe_suite.models.evaluator import evaluator_model
from scribe_suite.scoring.crossed_prompts import Exchanges, Site, Spot
from scribe_suite.scoring.real_subspace import log_odds, measured_parts
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.registry import default_registry

default_registry()  # it makes ground_truth importable
from ground_truth.circuits.real.words import EVENTS, HIDDEN_EVENTS  # noqa: E402
from ground_truth.variables.real.behaviour import Behaviour, Drawn, Frames, Property  # noqa: E402
from ground_truth.variables.real.fitting import difference_components  # noqa: E402
from ground_truth.variables.real.words import HIDDEN_NAMES, NAMES  # noqa: E402

#: Where exchanges are tried.
LAYERS = (24, 27, 28)
SITE: Site = "resid_post"
_PAIRS = 8


def draw_gender(rng: random.Random, frames: Frames) -> Drawn:
    """Two names of men and two of women, in templates that ask for a subject or for a possessive."""
    names = [rng.sample(of_gender, 2) for of_gender in frames["names"]]
    templates = [rng.choice(frames["templates"]) for _ in range(2)]
    return {
        "prompts": [
            [[form.format(name=of_gender[context]) for form in templates[context]] for of_gender in names]
            for context in range(2)
        ],
        "options": [[" he", " his"], [" she", " her"]],
    }


def draw_later(rng: random.Random, frames: Frames) -> Drawn:
    """Years of the twenties, and of the seventies or eighties, of one century; the later one as digits or as words."""
    contexts = []
    for _ in range(2):
        template, event, (digits, word) = (rng.choice(frames[name]) for name in ("templates", "events", "centuries"))
        tens, unit = (2, rng.choice((7, 8))), rng.randint(1, 9)
        begun = [template.format(event=event, year=f"{digits}{ten}{unit}") for ten in tens]
        contexts.append([[f"{start} {digits}", f"{start} the year {word}"] for start in begun])
    return {"prompts": contexts, "options": [list(of_order) for of_order in frames["later"]]}


#: What is the same in public and hidden prompts: the next word of a later year, as digits and as words.
_YEARS: Frames = {
    "centuries": (("16", "sixteen"), ("17", "seventeen"), ("18", "eighteen")),
    "later": (("3", " thirty"), ("9", " ninety")),
}

CANDIDATES: Mapping[str, Behaviour] = {
    "gender": Behaviour(
        draw=draw_gender,
        properties=(
            Property("gender", "the gender of the name", "male or female"),
            Property("form", "the form of the pronoun that comes next", "subject or possessive"),
        ),
        public={
            "templates": (
                ("Last week we met {name} at home because", "Last week we met {name} at home with"),
                ("Most of us like {name} very much because", "Most of us like {name} very much for"),
                ("The teacher asked our {name} at school what", "The teacher asked our {name} at school about"),
            ),
            "names": NAMES,
        },
        hidden={
            "templates": (
                ("Some days ago I saw {name} outside when", "Some days ago I saw {name} outside with"),
                ("Now all friends of {name} are sad because", "Now all friends of {name} are sad about"),
                ("We had to tell {name} the truth when", "We had to tell {name} the truth about"),
            ),
            "names": HIDDEN_NAMES,
        },
    ),
    # after Hanna et al. 2023, arXiv 2305.00586
    "greater_than": Behaviour(
        draw=draw_later,
        properties=(
            Property("order", "how late in its century the first year is", "early or late"),
            Property("form", "the form in which the second year is written", "digits or words"),
        ),
        public={
            "templates": ("The {event} lasted from {year} to", "The {event} ran from {year} to"),
            "events": EVENTS,
            **_YEARS,
        },
        hidden={
            "templates": ("The {event} continued from {year} to", "A {event} went from {year} to"),
            "events": HIDDEN_EVENTS,
            **_YEARS,
        },
    ),
}


def survey(name: str) -> Iterator[str]:
    """Lines about one candidate."""
    behaviour, model, tokenizer = CANDIDATES[name], evaluator_model(REAL_MODEL), tokenizer_of(REAL_MODEL)
    public, hidden = (
        Exchanges(
            model,
            behaviour.prompts(frames, _PAIRS, derive_seed(0, name, side), tokenizer),
            -1,
            LAYERS,
            [SITE],
        )
        for side, frames in (("public", behaviour.public), ("hidden", behaviour.hidden))
    )
    rows = torch.arange(len(hidden))
    values = (rows // 2 % 2, rows % 2)
    for asked, shown in enumerate(behaviour.properties):
        right = (log_odds(hidden.before, asked)[:, 0] > 0) == (values[asked] > 0)
        yield f"{name}, {shown.name}: right on {right.double().mean():.2f} of hidden prompts"
        for layer in LAYERS:
            spot = Spot(layer, SITE, hidden.position)
            fitted = difference_components(public.activations(spot), asked)
            for what, directions in (("everything", None), ("components of differences", fitted)):
                parts = measured_parts(hidden, asked, spot, directions)
                told = ", ".join(f"{part} {value:.2f}" for part, value in vars(parts).items())
                yield f"  layer {layer}, {what}: score {parts.score:.2f} ({told})"


def main() -> None:
    """Print the survey of one candidate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=CANDIDATES)
    for line in survey(parser.parse_args().name):
        print(line, flush=True)


if __name__ == "__main__":
    main()
