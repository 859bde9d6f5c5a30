"""Scores for a subspace that is said to hold one variable of a model and no other.

Primary is ``score``: the harmonic mean of interchange accuracy, the share of hidden pairs in which the variable asked
for has the source's value after the exchange, and of isolation, the share in which all others have kept the base's.
Each counts as a share of what chance leaves. Pairs differ in every variable: exchanging everything moves all variables
and exchanging nothing moves none, and either has a score of 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor
from transformer_lens import HookedTransformer

from scribe_suite.planting.variables.interchange import Place, Rates, exchanged_labels, rates_of
from scribe_suite.planting.variables.plans import Plan
from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.tasks.task import Score

#: The metrics of every score, in the tables' column order; the first is primary.
SUBSPACE_METRICS = ("score", "interchange", "isolation")
#: What whoever exchanges everything, nothing, or a random subspace has.
CHANCE = 0.0


def subspace_rates(
    model: HookedTransformer,
    pairs: tuple[Int[Tensor, "pair position"], Int[Tensor, "pair position"]],
    plan: Plan,
    variable: int,
    place: Place,
    directions: Sequence[Sequence[float]],
) -> Rates:
    """What exchanging a subspace does on hidden pairs.

    Args:
        model: Of the instance.
        pairs: Base and source prompts that differ in every variable.
        plan: What the model computes.
        variable: The one that is asked for.
        place: Where.
        directions: Spanning the subspace; none exchange nothing.
    """
    width = int(model.cfg.d_model)
    columns = torch.tensor(directions, dtype=torch.float64).reshape(-1, width).T
    labels = exchanged_labels(model, *pairs, place, columns)
    return rates_of(labels, *pairs, plan, variable)


def score_subspace(rates: Rates, reference: Rates) -> Score:
    """Score what exchanges did.

    Args:
        rates: Of the submitted subspace.
        reference: Of the planted one, on the same pairs.
    """
    return Score(
        metrics={"score": rates.score, "interchange": rates.interchange, "isolation": rates.isolation},
        primary="score",
        skill=normalised_skill(rates.score, CHANCE, reference.score),
        chance=CHANCE,
        reference=reference.score,
    )
