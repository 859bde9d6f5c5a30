"""The direction of the truth of "x is greater than y", found without a label."""

from __future__ import annotations

from ground_truth.probes.planted.directions import DirectionTask
from ground_truth.probes.planted.levels import laboratory
from ground_truth.probes.planted.numbers import Comparisons


class GreaterThanPca(Comparisons, DirectionTask):
    """Find the direction that separates true from false statements "x is greater than y" among louder ones."""

    name = "greater_than_pca"
    relation = "greater"
    laboratory = laboratory({2: 400, 3: 240, 4: 80}, outputs=False)
    headroom_levels = (4,)
    laboratory_solution = "directions_in_laboratories"
    summary = 'Without labels, find the direction of the truth of "x is greater than y" beside a larger nuisance.'
