"""Scores for a subspace that is claimed to hold one variable of a model and no other.

Primary is ``score``: the harmonic mean of interchange accuracy, the share of hidden pairs in which the target variable
has the source's value after the exchange, and isolation, the share in which all others keep the base's values. Each is
rescaled so that chance is 0. Pairs differ in every variable: exchanging everything changes all variables, exchanging
nothing changes none, and both have a score of 0.
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
#: The score of exchanging everything, nothing, or a random subspace.
CHANCE = 0.0


def subspace_rates(
    model: HookedTransformer,
    pairs: tuple[Int[Tensor, "pair position"], Int[Tensor, "pair position"]],
    plan: Plan,
    variable: int,
    place: Place,
    directions: Sequence[Sequence[float]],
) -> Rates:
    """The effects of exchanging a subspace on hidden pairs.

    Args:
        model: The instance's model.
        pairs: Base and source prompts that differ in every variable.
        plan: The plan that the model computes.
        variable: Index of the target variable.
        place: The place of the exchange.
        directions: Directions that span the subspace; with none, nothing is exchanged.
    """
    width = int(model.cfg.d_model)
    columns = torch.tensor(directions, dtype=torch.float64).reshape(-1, width).T
    labels = exchanged_labels(model, *pairs, place, columns)
    return rates_of(labels, *pairs, plan, variable)


def score_subspace(rates: Rates, reference: Rates, ceiling: float = 1.0) -> Score:
    """Score the effects of exchanges.

    Args:
        rates: The rates of the submitted subspace.
        reference: The rates of the planted one, on the same pairs.
        ceiling: The best score that any method is known to reach with what an agent has; the reference is no larger.
    """
    best = min(reference.score, ceiling)
    return Score(
        metrics={"score": rates.score, "interchange": rates.interchange, "isolation": rates.isolation},
        primary="score",
        skill=normalised_skill(rates.score, CHANCE, best),
        chance=CHANCE,
        reference=best,
    )
