"""Levels of the circuit tasks: what a laboratory grants at each.

At level 2 everything can be read, and nothing is scarce. At levels 3 and 4 a run returns one label for each prompt,
drawn from the model's probabilities at a temperature at which it is right some five times in six, and nothing inside
can be read: what one prompt says is weak. It takes statistics, and groups that are well chosen, to find the circuit.
What the budgets mean in bits is in docs/reference/budgets.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from scribe_suite.laboratory.terms import Positions, Terms

GENEROUS = Terms(budget=1000)
#: Prompts at levels 3 and 4.
TIGHT, LIMIT = 300, 150


def laboratory(
    temperature: float, tight: int = TIGHT, limit: int = LIMIT, *, positions: Positions = "last"
) -> Mapping[int, Terms]:
    """Level -> what a laboratory grants.

    Args:
        temperature: Of the labels that levels 3 and 4 return.
        tight: Budget of level 3, in prompts.
        limit: Budget of level 4.
        positions: Where they are given. What is patched shows at most positions, also where nothing is asked: a prompt
            would give as many labels as it has tokens, for the price of one.
    """
    scarce = Terms(
        budget=tight,
        returns="samples",
        temperature=temperature,
        positions=positions,
        operations=frozenset({"patch"}),
    )
    return {2: GENEROUS, 3: scarce, 4: scarce.model_copy(update={"budget": limit})}
