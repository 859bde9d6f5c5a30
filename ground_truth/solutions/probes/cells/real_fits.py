"""Cells shared by the notebooks on a real model: fits of logistic regression, tested on left-out blocks.

They need `truth` and `block` of the statements that are fitted.
"""

# %% [markdown]
# ## What can be read where
# Logistic regression on standardised activations, always tested on a block that it was not fitted on: no entity is on
# both sides. Two kinds of fits: on two blocks, and on one block, for choosing a place without the block that is
# left out for testing.

# %%
from sklearn.linear_model import LogisticRegression


def logistic(values, target, penalty=0.01):
    """L2-regularised logistic regression on standardised activations, in raw coordinates."""
    center, spread = values.mean(0), values.std(0) + 1e-9
    fitted = LogisticRegression(C=penalty, max_iter=1000).fit((values - center) / spread, target)
    return fitted.coef_[0] / spread, float(fitted.intercept_[0]), center


def right(probe, values, target):
    weight, bias, center = probe
    return ((values - center) @ weight + bias > 0) == target


def left_out_blocks(values):
    """Right or wrong for every statement, fitted on the other two blocks."""
    found = np.zeros(len(truth), dtype=bool)
    for number in np.unique(block):
        test = block == number
        found[test] = right(logistic(values[~test], truth[~test]), values[test], truth[test])
    return found


def one_to_another(values, others):
    """Mean accuracy from each of two blocks to the other."""
    one, other = (block == number for number in others)
    pairs = ((one, other), (other, one))
    return np.mean([right(logistic(values[a], truth[a]), values[b], truth[b]).mean() for a, b in pairs])


def nested(values):
    """Right or wrong for every statement of a left-out block, at the place that the two other blocks say is best.

    The largest of many accuracies is too large by luck; this one had no part in being chosen.
    """
    found, places = np.zeros(len(truth), dtype=bool), []
    for number in np.unique(block):
        others = [other for other in np.unique(block) if other != number]
        table = np.array([[one_to_another(at, others) for at in layer] for layer in values])
        place = np.unravel_index(table.argmax(), table.shape)
        test = block == number
        found[test] = right(logistic(values[place][~test], truth[~test]), values[place][test], truth[test])
        places.append(place)
    return found, places
