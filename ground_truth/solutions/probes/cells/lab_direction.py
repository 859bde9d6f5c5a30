"""Cells shared by the notebooks for laboratories: a direction from pairs whose truth is known."""

# %% [markdown]
# ## From pairs to a direction
# The two statements of a pair have the same ending and address, so their difference has nothing of them. A probe must
# not care either about what pairs differ in: the middles of the pairs show that, and a direction gets less weight where
# they spread more. Where the truth can be read, the differences of two pairs point the same way more often than not.

# %%
import numpy as np


def spread(values):
    """How the middles of pairs spread: [width, width]. As much again in all directions, as pairs are few."""
    middles = values.mean(1) - values.mean((0, 1))
    covariance = 2 * middles.T @ middles / len(middles)
    return covariance + (np.trace(covariance) / len(covariance) + 1e-9) * np.eye(len(covariance))


def direction(values):
    """The mean difference of the pairs, divided by how they spread."""
    return np.linalg.solve(spread(values), (values[:, 0] - values[:, 1]).mean(0))


def clarity(values):
    """The mean product of the differences of two pairs, in standard errors of pairs that have nothing in common."""
    differences = values[:, 0] - values[:, 1]
    products = (differences @ np.linalg.solve(spread(values), differences.T))[np.triu_indices(len(values), 1)]
    return products.mean() / (np.sqrt(np.square(products).mean() / len(products)) + 1e-9) if len(products) else 0.0
