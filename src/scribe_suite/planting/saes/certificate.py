"""The certificate of a model with an autoencoder: what is claimed about it, measured.

Nothing is frozen, so each instance could have a certificate; tests make those of some of every level.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import torch

from scribe_suite.planting.frozen import Certificate, Check
from scribe_suite.planting.saes.ablation import ablations_of
from scribe_suite.planting.saes.best import measure_groups
from scribe_suite.planting.saes.network import SparseModel
from scribe_suite.planting.saes.plans import SaeDial
from scribe_suite.planting.saes.prompts import balanced_prompts

#: Largest difference of an effect from the sum over groups, and the largest effect of what nothing reads, as shares of
#: the best set's effect.
SUM_BAR, UNREAD_BAR = 1e-4, 1e-6
#: Least share of the variance of what features add that the autoencoder explains.
EXPLAINED_BAR = 0.75
#: Largest effect of a set that differs from the best one by an exchange, as a share of its effect.
EXCHANGE_BAR = 1.0 + SUM_BAR
_PROMPTS, _SETS, _EXCHANGES = 480, 12, 24


def certify_sparse_model(model: SparseModel, dial: SaeDial, seed: int) -> Certificate:
    """Measure all claims about a model.

    Returns:
        Checks ``sum``, the largest difference between a set's effect and the sum over groups, for random sets of
        several sizes and the best one; ``unread``, the effect of zeroing everything that no group has; ``exchange``,
        the largest effect after random exchanges of one or two latents in the best set, all as shares of the best set's
        effect; and ``explained``, the share of variance that the autoencoder explains.
    """
    return Certificate(checks=tuple(_checks(model, dial, seed)))


def _checks(model: SparseModel, dial: SaeDial, seed: int) -> Iterator[Check]:
    rng = random.Random(seed)
    tokens = balanced_prompts(_PROMPTS, dial.d_vocab, torch.Generator().manual_seed(seed))
    ablations = ablations_of(model, tokens)
    effects = measure_groups(model, ablations, tokens)
    best, best_effect = effects.best(dial.chosen)
    read = sorted(member for group in model.plan.groups for member in group.members)
    everything = range(dial.n_latents)

    sets = [best, [*everything], read]
    sets += [rng.sample(everything, size) for size in (dial.chosen, dial.n_latents // 4) for _ in range(_SETS // 2)]
    differences = [abs(ablations.effect(some) - effects.effect(some)) / best_effect for some in sets]
    yield Check(name="sum", value=round(max(differences), 9), bar=SUM_BAR, direction="<=")
    unread = ablations.effect([one for one in everything if one not in read]) / best_effect
    yield Check(name="unread", value=round(unread, 9), bar=UNREAD_BAR, direction="<=")

    found = []
    for number in range(_EXCHANGES):
        kept = rng.sample(best, len(best) - 1 - number % 2)
        found.append(ablations.effect([*kept, *rng.sample(read, len(best) - len(kept))]) / best_effect)
    yield Check(name="exchange", value=round(max(found), 6), bar=EXCHANGE_BAR, direction="<=")
    here = ablations.here
    left = (here - model.sae.decode(ablations.latents)).var(0).sum() / here.var(0).sum()
    yield Check(name="explained", value=round(1 - float(left), 6), bar=EXPLAINED_BAR, direction=">=")
