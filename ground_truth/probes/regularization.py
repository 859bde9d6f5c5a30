"""Few labels, many dimensions, and strong directions that agree with the labels by accident.

The statements are those of probes/cities. Of the few that are public, most true ones have one ending, one kind of
address and a country on one side of the world, and most false ones the others. None of this holds in the hidden ones.
A few labels are wrong, so that a probe that fits them all has overfitted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformer_lens import HookedTransformer

from ground_truth.probes.planted.levels import laboratory
from ground_truth.probes.planted.places import PUBLIC_PER_COUNTRY, draw_cities, every_city
from ground_truth.probes.planted.split import Split, labelled, shuffled
from ground_truth.probes.planted.task import PlantedProbeTask
from scribe_suite.planting.frozen import Check
from scribe_suite.planting.statements.language import ADDRESSES
from scribe_suite.planting.statements.places import N_CITIES, N_COUNTRIES, PlacesWorld, continent_of
from scribe_suite.planting.statements.training import TRUTH_LAYER
from scribe_suite.scoring.probes import LabelledStatements, LinearProbe, fit_probe, probe_accuracy, residual_at
from scribe_suite.scoring.recipes import cross_validated_sparse, mean_difference

Recipe = Callable[[Float[np.ndarray, "statement d_model"], Bool[np.ndarray, " statement"]], LinearProbe]

#: Public statements.
N_PUBLIC = 64
#: Share of the public statements in which each accident agrees with the truth.
AGREEING = 0.75
#: Public statements whose label is wrong, half of them true.
N_WRONG = 6
#: At most: accuracy of recipes that do not choose how much to regularise.
UNREGULARISED_BAR = 0.9


class Regularization(PlantedProbeTask):
    """Read the truth of statements about cities, from few examples with accidental regularities."""

    name = "regularization"
    models = "places"
    few_labels = True
    recipe_bar = 0.9
    laboratory = laboratory({2: 400, 3: 120, 4: 24}, outputs=False)
    headroom_levels = (4,)
    laboratory_solution = "few_labels_in_laboratories"
    summary = "Find a linear probe from few examples, in which louder directions agree with the labels."

    def world(self, seed: int) -> PlacesWorld:  # noqa: ARG002 - the facts are the same for all
        """See `PlantedProbeTask.world`."""
        return PlacesWorld()

    def draw_split(self, seed: int) -> Split:
        """See `PlantedProbeTask.draw_split`; hidden statements are balanced as those of probes/cities are."""
        generator = torch.Generator().manual_seed(seed)
        public, held_out = draw_cities(generator)
        return Split(few_statements(public, generator), labelled(*every_city(held_out, generator)))

    def further_facts(self, split: Split, vocabulary: Sequence[str]) -> dict[str, Any]:  # noqa: ARG002
        """See `PlantedProbeTask.further_facts`."""
        return {
            "n_cities": N_CITIES,
            "n_countries": N_COUNTRIES,
            "n_public_cities": N_COUNTRIES * PUBLIC_PER_COUNTRY,
            "agreeing": AGREEING,
            "n_wrong": N_WRONG,
        }

    def recipe(self, hidden: Float[np.ndarray, "statement d_model"], public: LabelledStatements) -> LinearProbe:
        """See `PlantedProbeTask.recipe`: few components and an L1 penalty, both cross-validated."""
        return cross_validated_sparse(hidden, public.labels)

    def further_checks(self, model: HookedTransformer, splits: Sequence[Split]) -> list[Check]:
        """See `PlantedProbeTask.further_checks`: recipes that don't choose how much to regularise fall short."""
        recipes = {
            "mean_difference": mean_difference,
            "unpenalised": lambda hidden, labels: fit_probe(hidden, labels, 1e4),
            "strongly_penalised": lambda hidden, labels: fit_probe(hidden, labels, 1e-3),
        }
        checks = []
        for name, recipe in recipes.items():
            reached = [accuracy_of(recipe, model, split) for split in splits]
            value = float(np.mean(reached))
            checks.append(Check(name=f"{self.name}/{name}_mean", value=value, bar=UNREGULARISED_BAR, direction="<="))
        return checks


def accuracy_of(recipe: Recipe, model: HookedTransformer, split: Split) -> float:
    """Accuracy of another recipe, from the public to the held-out side, where the truth is read."""
    sides = (split.public, split.held_out)
    public, held_out = (residual_at(model, side.tokens, TRUTH_LAYER, "last") for side in sides)
    return probe_accuracy(recipe(public, split.public.labels), held_out, split.held_out.labels)


def few_statements(cities: Int[Tensor, "country 12"], generator: torch.Generator) -> LabelledStatements:
    """Statements about different cities; ending, address and side of the world agree with most labels.

    Which value of each agrees with "true" is drawn, and so is which two continents are a side. Every accident agrees
    with the same share of true and of false statements, independently of the others. A few labels are wrong.
    """
    labels = torch.arange(N_PUBLIC) < N_PUBLIC // 2
    contrary, familiar, far = (_accident(labels, generator) for _ in range(3))
    far_continents = torch.randperm(4, generator=generator)[:2]
    country = _countries(far, far_continents, generator)
    home = torch.where(labels, country, (country + _draw(1, N_COUNTRIES, generator)) % N_COUNTRIES)
    unused = cities[:, torch.randperm(cities.shape[1], generator=generator)]
    # the n-th statement about a country's cities takes its n-th city: no city twice
    earlier = torch.tensor([int((home[:row] == home[row]).sum()) for row in range(N_PUBLIC)])
    city = unused[home, earlier % cities.shape[1]]
    half = len(ADDRESSES) // 2
    address = torch.randint(half, (N_PUBLIC,), generator=generator) + half * familiar
    statements = PlacesWorld().statements(city, country, contrary, address)
    wrong = torch.zeros_like(labels)
    for value in (True, False):
        wrong[_some(labels == value, N_WRONG // 2, generator)] = True
    statements, city, order = shuffled(statements, city, generator)
    right = labelled(statements, city)
    return replace(right, labels=right.labels ^ wrong[order].numpy())


def _accident(labels: Bool[Tensor, " statement"], generator: torch.Generator) -> Bool[Tensor, " statement"]:
    """A property that agrees with `AGREEING` of the true and of the false statements, or with the rest of them."""
    agrees = torch.zeros_like(labels)
    for value in (True, False):
        agrees[_some(labels == value, round(AGREEING * N_PUBLIC / 2), generator)] = True
    flipped = bool(torch.rand((), generator=generator) < 0.5)
    return (labels == agrees) ^ flipped


def _some(rows: Bool[Tensor, " statement"], count: int, generator: torch.Generator) -> Int[Tensor, " chosen"]:
    """`count` of the rows that are true."""
    found = rows.nonzero()[:, 0]
    return found[torch.randperm(len(found), generator=generator)[:count]]


def _countries(
    far: Bool[Tensor, " statement"], far_continents: Int[Tensor, " 2"], generator: torch.Generator
) -> Int[Tensor, " statement"]:
    """A country on the right side of the world for every statement."""
    is_far = torch.isin(continent_of(torch.arange(N_COUNTRIES)), far_continents)
    sides = torch.stack([(~is_far).nonzero()[:, 0], is_far.nonzero()[:, 0]])
    return sides[far.long(), torch.randint(sides.shape[1], (len(far),), generator=generator)]


def _draw(low: int, high: int, generator: torch.Generator) -> Int[Tensor, " statement"]:
    return torch.randint(low, high, (N_PUBLIC,), generator=generator)
