"""The laboratory's terms at each level of the circuit tasks.

At level 2 all activations can be read, and the budget is ample. At levels 3 and 4 a run returns one label for each
prompt, drawn from the model's probabilities at a temperature at which it is right about five times in six. No
activation can be read, so a single prompt is weak evidence: finding the circuit takes statistics and well-chosen
groups of nodes. In some tasks copies of the circuit share the labels there (`planting.circuits.sharing`), which takes
more prompts. docs/reference/budgets.md gives the budgets in bits.
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
    """Level -> terms of the laboratory.

    Args:
        temperature: Temperature of the labels that levels 3 and 4 return.
        tight: Budget of level 3, in prompts.
        limit: Budget of level 4, in prompts.
        positions: Positions at which labels are returned. A patch has effects at most positions, also where the task
            asks for no label: a prompt would otherwise return as many labels as it has tokens, at the price of one.
    """
    scarce = Terms(
        budget=tight,
        returns="samples",
        temperature=temperature,
        positions=positions,
        operations=frozenset({"patch"}),
    )
    return {2: GENEROUS, 3: scarce, 4: scarce.model_copy(update={"budget": limit})}
