"""The number of variables at each level of ``variables/subspace``, and the overlap of their subspaces."""

from __future__ import annotations

from collections.abc import Mapping

from scribe_suite.planting.variables.plans import Dial

LEVELS: Mapping[int, Dial] = {
    1: Dial(variables=2, values=3, d_vocab=48, overlap=3.0),
    2: Dial(variables=4, values=3, d_vocab=60, overlap=3.0),
}
