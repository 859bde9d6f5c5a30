"""Whether "the city of X is in Y" is true: a linear probe, judged on cities it was not fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from ground_truth.probes.planted.levels import laboratory
from ground_truth.probes.planted.places import PUBLIC_PER_COUNTRY, draw_cities, every_city
from ground_truth.probes.planted.split import Split, labelled, shuffled
from ground_truth.probes.planted.task import PlantedProbeTask
from scribe_suite.planting.statements.places import N_CITIES, N_COUNTRIES, PlacesWorld
from scribe_suite.scoring.probes import LabelledStatements, LinearProbe, fit_probe


class Cities(PlantedProbeTask):
    """Read from the residual stream whether "the city of X is in Y" is true."""

    name = "cities"
    models = "places"
    laboratory = laboratory({2: 400, 3: 80, 4: 24})
    headroom_levels = (4,)
    laboratory_solution = "places_in_laboratories"
    summary = "Find a linear probe for the truth of statements about real cities, judged on unseen cities."

    def world(self, seed: int) -> PlacesWorld:  # noqa: ARG002 - the facts are the same for all
        """See `PlantedProbeTask.world`."""
        return PlacesWorld()

    def draw_split(self, seed: int) -> Split:
        """See `PlantedProbeTask.draw_split`: every city with its country and a wrong one, with both endings."""
        generator = torch.Generator().manual_seed(seed)
        public, held_out = draw_cities(generator)
        statements, groups = every_city(public, generator)
        statements, groups, _ = shuffled(statements, groups, generator)
        return Split(labelled(statements, groups), labelled(*every_city(held_out, generator)))

    def further_facts(self, split: Split, vocabulary: Sequence[str]) -> dict[str, Any]:  # noqa: ARG002
        """See `PlantedProbeTask.further_facts`."""
        return {"n_cities": N_CITIES, "n_countries": N_COUNTRIES, "n_public_cities": N_COUNTRIES * PUBLIC_PER_COUNTRY}

    def recipe(self, hidden: Float[np.ndarray, "statement d_model"], public: LabelledStatements) -> LinearProbe:
        """See `PlantedProbeTask.recipe`: regularised logistic regression."""
        return fit_probe(hidden, public.labels, 0.1)
