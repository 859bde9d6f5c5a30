"""The settings of each level of ``saes/influential``, and the terms of its laboratory.

docs/truth/saes.md says what was measured with them. At level 1 latents act one by one. At levels 2 and 3 most of what
matters does not.
"""

from __future__ import annotations

from collections.abc import Mapping

from scribe_suite.laboratory.terms import Terms
from scribe_suite.planting.saes.plans import Part, SaeDial

_LITTLE = (
    Part("linear", 12, 0.02, 0.3),
    Part("hat", 8, 4.0, 10.0),
)


def _singles(least: float, most: float) -> tuple[Part, ...]:
    return (
        Part("linear", 4, least, most),
        Part("linear", 4, least, most, quiet=True),
        Part("saturated", 4, least, most),
        Part("flipped", 4, least, most),
    )


#: Of each kind that acts together the best latents are worth about the same, one by one. So neither those that matter
#: alone nor those that matter as the last of their group are the best set.
_TOGETHER = (
    Part("any", 4, 4.4, 6.0, members=2),
    Part("any", 2, 6.0, 8.4, members=3),
    Part("any", 3, 6.0, 7.6, members=4),
    Part("every", 3, 1.6, 2.4, members=3),
    Part("opposed", 4, 1.6, 2.4, members=2),
)
_ENTANGLED = SaeDial(per_gate=8, chosen=12, d_vocab=48, parts=(*_singles(0.3, 1.2), *_LITTLE, *_TOGETHER))

LEVELS: Mapping[int, SaeDial] = {
    1: SaeDial(per_gate=4, chosen=8, d_vocab=48, parts=(*_singles(0.5, 2.4), *_LITTLE)),
    2: _ENTANGLED,
    3: _ENTANGLED,
}
LABORATORY: Mapping[int, Terms] = {
    3: Terms(
        budget=400,
        positions="last",
        sites_per_run=1,
        operations=frozenset({"read", "patch", "vector"}),
    )
}
