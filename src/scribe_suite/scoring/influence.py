"""Scores for a set of latents by what zeroing them together changes.

Primary is ``share``, the effect of the submitted set as a share of that of the best set of the same size. ``hits`` is
the share of the best set's latents that were submitted.
"""

from __future__ import annotations

from collections.abc import Collection

from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.tasks.task import Score

#: The metrics of every score, in the tables' column order; the first is primary.
INFLUENCE_METRICS = ("share", "hits")


def score_influence(
    said: Collection[int], effect: float, best: Collection[int], best_effect: float, mean_effect: float
) -> Score:
    """Score a set of latents.

    Args:
        said: The submitted latents.
        effect: What zeroing them changes.
        best: The best set.
        best_effect: What zeroing that changes.
        mean_effect: The mean over all sets as large as allowed: what a random answer is expected to change.
    """
    share, chance = effect / best_effect, mean_effect / best_effect
    return Score(
        metrics={"share": share, "hits": len({*said} & {*best}) / len(best)},
        primary="share",
        skill=normalised_skill(share, chance, 1.0),
        chance=chance,
        reference=1.0,
    )
