"""The settings of each level of ``variables/encoding``, and the terms of its laboratory.

docs/truth/variables.md says how the budget was chosen.
"""

from __future__ import annotations

from collections.abc import Mapping

from scribe_suite.laboratory.terms import Terms
from scribe_suite.planting.variables.encoded.codes import CODES, CodeName
from scribe_suite.planting.variables.encoded.plans import EncodedDial

LEVELS: Mapping[int, EncodedDial] = {
    1: EncodedDial(values=2, plain=2, companion_read=False, d_vocab=48),
    2: EncodedDial(values=3, plain=1, companion_read=True, d_vocab=48),
    3: EncodedDial(values=3, plain=2, companion_read=True, d_vocab=60),
}
LABORATORY: Mapping[int, Terms] = {
    3: Terms(
        budget=1000,
        returns="labels",
        positions="last",
        sites_per_run=1,
        read_noise=0.3,
        operations=frozenset({"read", "patch", "vector", "grad"}),
    )
}


def code_for(seed: int) -> CodeName:
    """The code of the base model of a training seed: all codes in turn."""
    return CODES[seed % len(CODES)]
