"""The settings of each level of ``variables/used``, and the terms of its laboratory.

docs/truth/variables.md says how the budget was chosen.
"""

from __future__ import annotations

from collections.abc import Mapping

from scribe_suite.laboratory.terms import Terms
from scribe_suite.planting.variables.used.plans import MOST_USED, UsedDial

_EQUAL, _SKEWED = (1 / 3, 1 / 3, 1 / 3), (0.6, 0.2, 0.2)

LEVELS: Mapping[int, UsedDial] = {
    1: UsedDial(_EQUAL, d_vocab=48),
    2: UsedDial(_SKEWED, d_vocab=60),
    3: UsedDial(_SKEWED, d_vocab=60, size=0.5),
}
LABORATORY: Mapping[int, Terms] = {
    3: Terms(
        budget=400,
        returns="labels",
        positions="last",
        sites_per_run=1,
        read_noise=0.1,
        operations=frozenset({"read", "patch", "vector"}),
    )
}


def n_used_for(seed: int) -> int:
    """The number of used properties of the base model of a training seed: all numbers in turn, none included."""
    return seed % (MOST_USED + 1)
