"""The terms of laboratories for the probe tasks: how many statements may be run, and what can be read.

Level 1 hands the model over. From level 2 on the harness runs it, and a statement costs 1. The residual stream is read
with noise, so the number of statements that are read at the right place, and how they are chosen, decides how well a
direction can be known. Gradients and vectors are never granted: a gradient at the right place is the probe.
"""

from __future__ import annotations

from collections.abc import Mapping

from scribe_suite.laboratory.terms import Terms

#: Level -> what is granted there, except the budget.
_GRANTED: Mapping[int, Terms] = {
    2: Terms(budget=0, sites_per_run=4, read_noise=1.0, operations=frozenset({"read", "pattern", "patch"})),
    3: Terms(budget=0, returns="labels", sites_per_run=1, read_noise=2.0, operations=frozenset({"read"})),
    4: Terms(budget=0, returns="labels", sites_per_run=1, read_noise=2.0, operations=frozenset({"read"})),
}


def laboratory(budgets: Mapping[int, int], *, outputs: bool = True) -> dict[int, Terms]:
    """The terms of a task at its levels in the laboratory.

    Args:
        budgets: Level -> statements that may be run.
        outputs: Whether a run returns the model's verdict, which reveals the truth of the statement.
    """
    return {
        level: _GRANTED[level].model_copy(update={"budget": budget} | ({} if outputs else {"returns": "nothing"}))
        for level, budget in budgets.items()
    }
