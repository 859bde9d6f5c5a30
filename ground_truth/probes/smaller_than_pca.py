"""The direction of the truth of "x is smaller than y", found without a label."""

from __future__ import annotations

from ground_truth.probes.planted.directions import DirectionTask
from ground_truth.probes.planted.numbers import Comparisons


class SmallerThanPca(Comparisons, DirectionTask):
    """Find the direction that separates true from false statements "x is smaller than y" among louder ones."""

    name = "smaller_than_pca"
    relation = "smaller"
    summary = 'Without labels, find the direction of the truth of "x is smaller than y" beside a larger nuisance.'
