"""The terms of a laboratory for the neuron tasks on a real model whose statistic is measured on text.

The unit is a token, and a run gives four sites for its price: the neurons of all 30 layers cost 8 for each token. To
scan all of an agent's 12,288 tokens would be 98,304. At n positions the best of 46,080 neurons that have nothing to
do with the property explain about 2 log(46,080) / n = 21.5 / n of the variance by accident. The lowest budget allows
125 positions of all layers if nothing is reserved for a second look, and so 0.17: as much as the best neurons of the
weaker properties have. Choosing positions that have the property, if there are enough, lowers it.

``neurons/prediction_real`` has no laboratory. Its answer is a function of two weight matrices, which could only be
bought vector by vector; that involves no choice of experiments.
"""

from __future__ import annotations

from collections.abc import Mapping

from scribe_suite.laboratory.terms import Terms

#: Level -> tokens.
BUDGETS = {2: 8_000, 3: 4_000, 4: 1_000}
#: The same where the property shows only in whole texts, each of which costs 1,024.
BUDGETS_OF_WHOLE_TEXTS = {2: 16_000, 3: 8_000, 4: 2_000}


def granted(budgets: Mapping[int, int]) -> dict[int, Terms]:
    """As `Task.laboratory` has them."""
    return {level: Terms(budget=budget) for level, budget in budgets.items()}
