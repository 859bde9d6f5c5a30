"""Correlation in which positions count differently."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def weighted_correlation(
    x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], weights: Float[np.ndarray, " n"]
) -> float:
    """Pearson's correlation; 0 where one of the two does not vary.

    Args:
        x: Numbers; finite.
        y: Numbers; finite.
        weights: Not negative, of any sum above 0.
    """
    share = weights / weights.sum()
    # scaled first: the squares of large numbers would overflow
    x, y = (value / max(float(np.abs(value).max()), 1e-300) for value in (x, y))
    dx, dy = x - share @ x, y - share @ y
    variance = float(share @ (dx * dx)) * float(share @ (dy * dy))
    if variance <= 1e-24:
        return 0.0
    return float(np.clip(share @ (dx * dy) / np.sqrt(variance), -1.0, 1.0))
