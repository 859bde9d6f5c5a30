"""The terms of laboratories for the neuron tasks: how many texts may be run, and the noise on neurons.

Level 1 hands the model over. From level 2 on the harness runs it, and a text costs 1. Neurons are read with noise, and
not changed: the effects of patches on the outputs are exact, which would circumvent the noise.
"""

from __future__ import annotations

from collections.abc import Mapping

from scribe_suite.laboratory.terms import Operation, Terms

_READ_ONLY: frozenset[Operation] = frozenset({"read"})
#: Level -> what is granted there, except the budget.
_GRANTED: Mapping[int, Terms] = {
    2: Terms(budget=0, sites_per_run=4, read_noise=1.0, operations=_READ_ONLY),  # all layers at once
    3: Terms(budget=0, sites_per_run=1, read_noise=1.0, operations=_READ_ONLY),
    4: Terms(budget=0, sites_per_run=1, read_noise=2.0, operations=_READ_ONLY),
}


def laboratory(budgets: Mapping[int, int]) -> dict[int, Terms]:
    """The terms of a task at its levels in the laboratory.

    Args:
        budgets: Level -> texts that may be run.
    """
    return {level: _GRANTED[level].model_copy(update={"budget": budget}) for level, budget in budgets.items()}
