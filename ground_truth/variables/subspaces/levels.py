"""The settings of each level of ``variables/subspace``, and the terms of its laboratory.

At levels 3 and 4, variables share dimensions in pairs, so that a probe reads its partner too, and experiments are few
and noisy. Level 4 has the models of level 3 and more noise. docs/truth/variables.md says what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping

from scribe_suite.laboratory.terms import Terms
from scribe_suite.planting.variables.plans import Dial

LEVELS: Mapping[int, Dial] = {
    1: Dial(variables=2, values=3, d_vocab=48, overlap=3.0),
    2: Dial(variables=4, values=3, d_vocab=60, overlap=3.0),
    3: Dial(variables=4, values=3, d_vocab=60, overlap=3.0, sharing=2),
    4: Dial(variables=4, values=3, d_vocab=60, overlap=3.0, sharing=2),
}
_TERMS = Terms(
    budget=800,
    returns="labels",
    positions="last",
    sites_per_run=1,
    read_noise=0.3,
    operations=frozenset({"read", "patch", "vector", "grad"}),
)
LABORATORY: Mapping[int, Terms] = {
    3: _TERMS,
    4: _TERMS.model_copy(update={"read_noise": 0.4}),
}
#: Level -> the largest mean score that a known method reaches with the budget, where that is less than 1.
CEILINGS: Mapping[int, float] = {4: 0.89}
