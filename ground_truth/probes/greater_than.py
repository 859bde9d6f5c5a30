"""probes/greater_than: a linear probe for the truth of "x is greater than y", judged on unseen numbers."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from jaxtyping import Float

from ground_truth.probes.planted.numbers import Comparisons
from ground_truth.probes.planted.task import PlantedProbeTask
from scribe_suite.scoring.probes import LabelledStatements, LinearProbe, fit_probe


class GreaterThan(Comparisons, PlantedProbeTask):
    """Read from the residual stream whether "x is greater than y" is true."""

    name: ClassVar[str] = "greater_than"
    relation: ClassVar[str] = "greater"
    summary: ClassVar[str] = "linear probe for the truth of number comparisons, judged on unseen numbers"

    def recipe(self, hidden: Float[np.ndarray, "statement d_model"], public: LabelledStatements) -> LinearProbe:
        """See `PlantedProbeTask.recipe`: regularised logistic regression."""
        return fit_probe(hidden, public.labels, 0.1)
