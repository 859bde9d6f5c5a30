"""The rarity of the condition at each level of ``circuits/rare_branch``, and the terms of its laboratory."""

from __future__ import annotations

from collections.abc import Mapping

from scribe_suite.laboratory.terms import Operation, Terms
from scribe_suite.planting.circuits.branches.plans import Dial

_OPERATIONS: frozenset[Operation] = frozenset({"read", "pattern", "patch"})

LEVELS: Mapping[int, Dial] = {
    1: Dial(d_vocab=600, conditions=6, heard=3, before=3, rarity=1e-8),
    2: Dial(d_vocab=1000, conditions=8, heard=4, before=4, rarity=1e-10),
    3: Dial(d_vocab=1500, conditions=6, heard=3, before=3, rarity=1e-10, class_sizes=(1, 2), most_choices=4),
    4: Dial(d_vocab=3000, conditions=6, heard=3, before=3, rarity=1e-12, class_sizes=(1, 2), most_choices=2),
}
#: Terms of levels 3 and 4. Every token must be run at least once, which takes 100 prompts at level 3 and 200 at
#: level 4.
LABORATORY: Mapping[int, Terms] = {
    3: Terms(budget=350, returns="labels", positions="last", operations=_OPERATIONS, read_noise=0.1),
    4: Terms(budget=400, returns="labels", positions="last", operations=_OPERATIONS, read_noise=0.15),
}
#: One base model in this many is a null twin.
TWIN_EVERY = 3


def is_twin(seed: int) -> bool:
    """Whether the base model of a training seed is a null twin, which has no exception."""
    return seed % TWIN_EVERY == TWIN_EVERY - 1
