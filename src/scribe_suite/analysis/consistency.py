"""The mathematics of consistency: how similar the attempts of one provider at one task are.

Pure functions; every formula and its source is in ``docs/reference/statistics.md``.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from scribe_suite.analysis.statistics import Codes, Floats, Grouped

#: How many attempts at a task are compared with each other; the number of pairs grows with its square.
_MOST_ATTEMPTS = 200


def outcome_consistency(attempts: Codes, solved: Codes) -> Floats:
    """Per task: 1 where all attempts have the same outcome, 0 where half of them are solved."""
    return (2 * solved / attempts - 1) ** 2


def trajectory_consistency(counts: Floats) -> float:
    """1 minus the mean Jensen-Shannon divergence, in bits, between the actions of every two attempts at a task.

    Args:
        counts: How often each attempt took each action, shape ``attempt action``; two attempts or more, each with an
            action.

    Returns:
        1 where all attempts take the same actions equally often, 0 where no two share one.
    """
    shares = counts / counts.sum(1, keepdims=True)
    left, right = np.triu_indices(len(shares), 1)
    middle = (shares[left] + shares[right]) / 2
    # the divergence of two distributions is the entropy of their mean minus the mean of their entropies
    divergences = _entropy(middle) - (_entropy(shares)[left] + _entropy(shares)[right]) / 2
    return 1 - float(np.clip(divergences, 0, 1).mean())


def trajectory_consistencies(counts: Floats, tasks: Codes) -> Grouped:
    """One value for every task that has two attempts whose actions are known.

    Args:
        counts: As in `trajectory_consistency`, for all tasks; rows without an action are left out.
        tasks: The task of each row.
    """
    known = counts.sum(1) > 0
    values, found = [], []
    for task in np.unique(tasks[known]).tolist():
        own = counts[known & (tasks == task)][:_MOST_ATTEMPTS]
        if len(own) >= 2:
            values.append(trajectory_consistency(own))
            found.append(task)
    return Grouped.of(np.array(values, np.float64), np.array(found, np.int64))


def _entropy(shares: Floats) -> Floats:
    """In bits, along the last axis."""
    total: Floats = special.entr(shares).sum(-1) / np.log(2)
    return total
