"""Cells shared by the notebooks for laboratories: statements in every manner."""

# %% [markdown]
# ## Pairs of statements
# Any statement can be run, so pairs can be made: what the two of a pair share cancels. Endings and addresses go round
# over the pairs, so that none of them goes together with anything.

# %%
import itertools

import numpy as np

rng = np.random.default_rng(0)
manners = list(itertools.product(statements[:, -2].unique().tolist(), statements[:, -1].unique().tolist()))
order = itertools.cycle([manners[number] for number in rng.permutation(len(manners))])


def in_manners(first, second):
    """Both sides of pairs with the next addresses and endings, as token ids."""
    sides = [first.clone(), second.clone()]
    for row, manner in zip(range(len(first)), order, strict=False):
        for side in sides:
            side[row, -2:] = torch.tensor(manner)
    return sides
