"""Ways to find a probe from activations, for reference solutions and for measurements on untrained twins.

Every recipe returns a `LinearProbe` in the coordinates of the activations it was given.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score

from scribe_suite.scoring.probes import LinearProbe


def mean_difference(
    hidden: Float[np.ndarray, "statement d_model"], labels: Bool[np.ndarray, " statement"]
) -> LinearProbe:
    """The difference of the two class means, with the threshold half-way between them."""
    above, below = hidden[labels].mean(0), hidden[~labels].mean(0)
    return LinearProbe(weight=above - below, bias=0.0, center=(above + below) / 2)


def one_hot(columns: Int[np.ndarray, "statement column"]) -> Float[np.ndarray, "statement feature"]:
    """Indicators of every value of every column."""
    return np.concatenate([(column[:, None] == np.unique(column)[None]).astype(float) for column in columns.T], axis=1)


def without(
    hidden: Float[np.ndarray, "statement d_model"], nuisance: Float[np.ndarray, "statement feature"]
) -> Float[np.ndarray, "statement d_model"]:
    """The residual of the activations after least squares on the nuisance (and a constant)."""
    design = np.concatenate([np.ones((len(hidden), 1)), nuisance], axis=1)
    left: Float[np.ndarray, "statement d_model"] = hidden - design @ np.linalg.lstsq(design, hidden, rcond=None)[0]
    return left


def principal_directions(
    hidden: Float[np.ndarray, "statement d_model"], count: int = 1
) -> Float[np.ndarray, "component d_model"]:
    """The first principal components of the activations, with unit length, by decreasing variance."""
    directions: Float[np.ndarray, "component d_model"] = np.linalg.svd(hidden - hidden.mean(0), full_matrices=False)[2]
    return directions[:count]


def cross_validated_sparse(
    hidden: Float[np.ndarray, "statement d_model"],
    labels: Bool[np.ndarray, " statement"],
    components: Sequence[int] = (4, 6, 8, 12, 16),
    inverse_penalties: Sequence[float] = (0.03, 0.1, 0.3, 1.0, 3.0),
) -> LinearProbe:
    """L1-regularised logistic regression on the first principal components, each scaled to unit variance.

    Five-fold cross-validation of the log loss selects the number of components and the penalty; ties go to the simpler
    one.

    Args:
        hidden: Activations.
        labels: Their truth; more than five of either kind.
        components: Numbers of components to choose from; those above the number of statements are left out.
        inverse_penalties: ``C`` of scikit-learn to choose from.
    """
    center = hidden.mean(0)
    _, sizes, directions = np.linalg.svd(hidden - center, full_matrices=False)
    scales = sizes / np.sqrt(len(hidden)) + 1e-9
    scores = (hidden - center) @ directions.T / scales
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    choices = [(count, c) for count in components for c in inverse_penalties if count <= min(hidden.shape)]
    losses = [
        cross_val_score(_sparse(c), scores[:, :count], labels, cv=folds, scoring="neg_log_loss").mean()
        for count, c in choices
    ]
    count, c = choices[int(np.argmax(losses))]
    fitted = _sparse(c).fit(scores[:, :count], labels)
    weight = (fitted.coef_[0] / scales[:count]) @ directions[:count]
    return LinearProbe(weight=weight, bias=float(fitted.intercept_[0]), center=center)


def _sparse(inverse_penalty: float) -> LogisticRegression:
    return LogisticRegression(C=inverse_penalty, l1_ratio=1.0, solver="liblinear", max_iter=1_000, random_state=0)
