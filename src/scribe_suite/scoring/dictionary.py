"""Scores for a dictionary: which directions of a hidden sparse model are among its rows.

Rows and features are paired one to one. A pair counts as a match where the absolute cosine of its directions is above
`ALIKE`. Primary is ``f1``, 2 matches / (rows + features), so that rows that match nothing, duplicates among them, cost
as much as features that are not found. ``mcc``, the mean correlation coefficient (Hungarian algorithm), is the mean
absolute cosine over the features in the pairing where it is largest; a feature without a row has 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.tasks.task import Score

#: The metrics of every score, in the tables' column order; the first is primary.
DICTIONARY_METRICS = ("f1", "precision", "recall", "mcc")
#: Two directions match from this absolute cosine on.
ALIKE = 0.9
#: The F1 of random directions, of principal components, and of nothing.
CHANCE = 0.0


@dataclass(frozen=True)
class Matched:
    """How a dictionary compares with the features.

    Attributes:
        rows: Its rows that are not zero.
        features: How many features there are.
        matches: Pairs that match.
        mcc: The mean correlation coefficient.
    """

    rows: int
    features: int
    matches: int
    mcc: float

    @property
    def precision(self) -> float:
        """The share of rows that match."""
        return self.matches / self.rows if self.rows else 0.0

    @property
    def recall(self) -> float:
        """The share of features that are matched."""
        return self.matches / self.features

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        return 2 * self.matches / (self.rows + self.features)


def match(rows: Float[np.ndarray, "row width"], directions: Float[np.ndarray, "feature width"]) -> Matched:
    """Pair rows with features.

    Args:
        rows: Finite numbers; neither length nor sign of a row counts, and rows of zeros do not.
        directions: Directions of the features, of unit length.
    """
    rows = np.asarray(rows, dtype=np.float64)
    largest = np.abs(rows).max(axis=1, initial=0.0)
    rows = rows[largest > 0] / largest[largest > 0, None]  # so that no square overflows or vanishes
    if not len(rows):
        return Matched(0, len(directions), 0, 0.0)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = np.abs(rows @ directions.T)
    partners = maximum_bipartite_matching(csr_matrix(cosines > ALIKE), perm_type="column")
    paired = linear_sum_assignment(cosines, maximize=True)
    return Matched(
        rows=len(rows),
        features=len(directions),
        matches=int((partners >= 0).sum()),
        mcc=float(min(1.0, cosines[paired].sum() / len(directions))),
    )


def score_dictionary(matched: Matched, ceiling: Matched) -> Score:
    """Score a dictionary.

    Args:
        matched: How it compares with the features.
        ceiling: The same of the best dictionary that the samples allow to estimate.
    """
    metrics = {
        "f1": matched.f1,
        "precision": matched.precision,
        "recall": matched.recall,
        "mcc": matched.mcc,
    }
    return Score(
        metrics=metrics,
        primary="f1",
        skill=normalised_skill(matched.f1, CHANCE, ceiling.f1),
        chance=CHANCE,
        reference=ceiling.f1,
        notes=(f"Of {matched.features} features, {matched.matches} are among {matched.rows} rows.",),
    )
