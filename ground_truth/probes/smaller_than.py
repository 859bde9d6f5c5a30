"""Whether "x is smaller than y" is true: a linear probe, judged on numbers it was not fitted on."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ground_truth.probes.planted.levels import laboratory
from ground_truth.probes.planted.numbers import Comparisons
from ground_truth.probes.planted.task import PlantedProbeTask
from scribe_suite.scoring.probes import LabelledStatements, LinearProbe
from scribe_suite.scoring.recipes import mean_difference, one_hot, without


class SmallerThan(Comparisons, PlantedProbeTask):
    """Read from the residual stream whether "x is smaller than y" is true."""

    name = "smaller_than"
    relation = "smaller"
    laboratory = laboratory({2: 400, 3: 100, 4: 48})
    laboratory_solution = "numbers_in_laboratories"
    summary = "Find a linear probe for the truth of the inverse comparison, judged on unseen numbers."

    def recipe(self, hidden: Float[np.ndarray, "statement d_model"], public: LabelledStatements) -> LinearProbe:
        """See `PlantedProbeTask.recipe`: the difference of the means, without the effects of ending and address."""
        found = mean_difference(without(hidden, one_hot(public.tokens[:, -2:].numpy())), public.labels)
        return LinearProbe(found.weight, 0.0, hidden.mean(0))
