"""The numbers of terms, heads and further sums at each level of ``variables/algorithm``, and its laboratory."""

from __future__ import annotations

from collections.abc import Mapping

from scribe_suite.laboratory.terms import Terms
from scribe_suite.planting.variables.sums import SumDial

LEVELS: Mapping[int, SumDial] = {
    1: SumDial(terms=4, values=4, d_vocab=48, carriers=1, other_trees=None, n_heads=8),
    2: SumDial(terms=5, values=4, d_vocab=48, carriers=3, other_trees=3, n_heads=16),
}
LABORATORY: Mapping[int, Terms] = {
    2: Terms(
        budget=240,
        returns="samples",
        # the right label has a probability of 0.79, and each of the three others 0.07
        temperature=5.0,
        positions="last",
        sites_per_run=4,
        read_noise=2.0,
        operations=frozenset({"read", "patch"}),
    ),
}
