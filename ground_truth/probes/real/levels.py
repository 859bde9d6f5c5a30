"""The terms of a laboratory for the probe tasks on a real model.

The unit is a token. A run gives four sites for its price, so the public statements, at most 240 of 6 to 16 tokens,
cost about 2,200 tokens for every four places that they are read at. Agreement is carried by two words' forms
together, and two thirds of the statements are too few for a probe of it, so there level 3 has all of them once. The
exhaustive scan of 30 blocks at the last two tokens would be 60 places, 33,000 tokens. The lowest budget is about 50
statements: the standard error of an accuracy on left-out blocks is 0.1 then (pairs count as one), as large as the bar
of what is readable, so that the decision is right for most questions but not for all.
"""

from __future__ import annotations

from collections.abc import Mapping

from scribe_suite.laboratory.terms import Terms

#: Level -> tokens.
BUDGETS = {2: 6_000, 3: 1_600, 4: 500}
#: The same for agreement.
BUDGETS_OF_AGREEMENT = {**BUDGETS, 3: 2_400}


def granted(budgets: Mapping[int, int]) -> dict[int, Terms]:
    """As `Task.laboratory` has them."""
    return {level: Terms(budget=budget) for level, budget in budgets.items()}


LABORATORY = granted(BUDGETS)
