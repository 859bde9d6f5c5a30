"""Whether "x is greater than y" is true: a linear probe, judged on numbers it was not fitted on."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ground_truth.probes.planted.levels import laboratory
from ground_truth.probes.planted.numbers import Comparisons
from ground_truth.probes.planted.task import PlantedProbeTask
from scribe_suite.scoring.probes import LabelledStatements, LinearProbe, fit_probe


class GreaterThan(Comparisons, PlantedProbeTask):
    """Read from the residual stream whether "x is greater than y" is true."""

    name = "greater_than"
    relation = "greater"
    laboratory = laboratory({2: 400, 3: 100, 4: 48})
    laboratory_solution = "numbers_in_laboratories"
    summary = "Find a linear probe for the truth of number comparisons, judged on unseen numbers."

    def recipe(self, hidden: Float[np.ndarray, "statement d_model"], public: LabelledStatements) -> LinearProbe:
        """See `PlantedProbeTask.recipe`: regularised logistic regression."""
        return fit_probe(hidden, public.labels, 0.1)
