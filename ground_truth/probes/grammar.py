"""Whether a sentence is grammatical: a linear probe, judged on nouns, verbs and constructions it was not fitted on.

Every sentence has a twin that differs only in the number of its verb. Subjects and attractors are singular and plural
equally often, on both sides, so that the exclusive or of two words' numbers is all there is to find.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ground_truth.probes.planted.levels import laboratory
from ground_truth.probes.planted.split import Split, labelled, shuffled
from ground_truth.probes.planted.task import PlantedProbeTask
from scribe_suite.planting.statements.language import Statements, draw_manner
from scribe_suite.planting.statements.sentences import N_NOUNS, N_VERBS, TEMPLATES, SentencesWorld
from scribe_suite.scoring.probes import LabelledStatements, LinearProbe, fit_probe

#: How many constructions, nouns and verbs the public sentences use; the others are held out.
PUBLIC_TEMPLATES, PUBLIC_NOUNS, PUBLIC_VERBS = 8, 52, 40
#: Pairs of sentences per construction and numbers of subject and attractor.
_PUBLIC_REPEATS, _HELD_OUT_REPEATS = 16, 14


class Grammar(PlantedProbeTask):
    """Read from the residual stream whether a sentence is grammatical."""

    name = "grammar"
    models = "sentences"
    laboratory = laboratory({2: 400, 3: 150, 4: 48})
    headroom_levels = (4,)
    laboratory_solution = "sentences_in_laboratories"
    summary = "Find a linear probe for agreement at a distance, judged on unseen words and constructions."

    def world(self, seed: int) -> SentencesWorld:  # noqa: ARG002 - the language is the same for all
        """See `PlantedProbeTask.world`."""
        return SentencesWorld()

    def draw_split(self, seed: int) -> Split:
        """See `PlantedProbeTask.draw_split`; agents get the construction of every sentence."""
        generator = torch.Generator().manual_seed(seed)
        templates = torch.randperm(len(TEMPLATES), generator=generator).tolist()
        nouns, verbs = (torch.randperm(size, generator=generator) for size in (N_NOUNS, N_VERBS))
        shown = templates[:PUBLIC_TEMPLATES]
        public, groups, kinds = minimal_pairs(
            shown, nouns[:PUBLIC_NOUNS], verbs[:PUBLIC_VERBS], _PUBLIC_REPEATS, generator
        )
        held_out, held_out_groups, _ = minimal_pairs(
            templates[PUBLIC_TEMPLATES:], nouns[PUBLIC_NOUNS:], verbs[PUBLIC_VERBS:], _HELD_OUT_REPEATS, generator
        )
        public, groups, order = shuffled(public, groups, generator)
        return Split(labelled(public, groups), labelled(held_out, held_out_groups), {"constructions": kinds[order]})

    def further_facts(self, split: Split, vocabulary: Sequence[str]) -> dict[str, Any]:  # noqa: ARG002
        """See `PlantedProbeTask.further_facts`."""
        return {"n_constructions": len(TEMPLATES), "n_public_constructions": PUBLIC_TEMPLATES}

    def recipe(self, hidden: Float[np.ndarray, "statement d_model"], public: LabelledStatements) -> LinearProbe:
        """See `PlantedProbeTask.recipe`: regularised logistic regression."""
        return fit_probe(hidden, public.labels, 0.1)


def minimal_pairs(
    templates: list[int],
    nouns: Int[Tensor, " noun"],
    verbs: Int[Tensor, " verb"],
    repeats: int,
    generator: torch.Generator,
) -> tuple[Statements, Int[Tensor, " sentence"], Int[Tensor, " sentence"]]:
    """`repeats` pairs for every template and every number of subject and attractor.

    Returns:
        The sentences, the pair and the template (counted from 0 in `templates`) of each.
    """
    world = SentencesWorld()
    plural = torch.cartesian_prod(*[torch.tensor([False, True])] * 2).repeat(repeats, 1)
    size = len(plural)
    parts = []
    for template in templates:
        drawn_nouns, drawn_verbs = (
            words[torch.rand(size, len(words), generator=generator).argsort(1)[:, :2]] for words in (nouns, verbs)
        )
        agreeing = torch.cat([plural, plural[:, :1]], dim=1)
        manner = draw_manner(size, generator)
        right = world.sentences(template, drawn_nouns, drawn_verbs, agreeing, manner, generator)
        parts.append(Statements.joined([right, world.flipped(right)]))
    within = torch.arange(size).repeat(2)
    pairs = torch.cat([within + number * size for number in range(len(templates))])
    return Statements.joined(parts), pairs, torch.arange(len(templates)).repeat_interleave(2 * size)
