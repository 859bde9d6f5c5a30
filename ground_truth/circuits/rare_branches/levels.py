"""How rare the condition is at each level of ``circuits/rare_branch``, and what a laboratory grants there."""

from __future__ import annotations

from collections.abc import Mapping

from scribe_suite.planting.circuits.branches.plans import Dial

LEVELS: Mapping[int, Dial] = {
    1: Dial(d_vocab=600, conditions=6, heard=3, before=3, rarity=1e-8),
    2: Dial(d_vocab=1000, conditions=8, heard=4, before=4, rarity=1e-10),
}
#: Every so many-th base model is a null twin.
TWIN_EVERY = 3


def is_twin(seed: int) -> bool:
    """Whether the base model of a training seed is one in which nothing is to be found."""
    return seed % TWIN_EVERY == TWIN_EVERY - 1
