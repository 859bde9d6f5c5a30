"""The settings of each level of ``steering/shift``, and the terms of its laboratory.

docs/truth/steering.md says what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from scribe_suite.laboratory.terms import Terms
from scribe_suite.planting.steering.plans import ASIDE, FIRST, GateDial

_CONFOUNDED = GateDial(d_vocab=40, confounded={ASIDE: 0.9, FIRST: 0.85}, loud=3.0, pairs=200)
LEVELS: Mapping[int, GateDial] = {
    1: GateDial(d_vocab=40, confounded={}, loud=1.0, pairs=200),
    2: _CONFOUNDED,
    3: replace(_CONFOUNDED, pairs=96),
}
LABORATORY: Mapping[int, Terms] = {
    3: Terms(
        budget=900,
        returns="labels",
        positions="last",
        sites_per_run=1,
        read_noise=0.2,
        operations=frozenset({"read", "patch", "vector"}),
    )
}


def is_read(seed: int) -> bool:
    """Whether the base model of a training seed reads its gate: two of three do."""
    return seed % 3 != 2
