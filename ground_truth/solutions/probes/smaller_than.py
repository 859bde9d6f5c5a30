"""Reference solution of probes/smaller_than: the difference of means, checked on left-out numbers."""

# %% [markdown]
# # A probe for "x is smaller than y"
# The probe has to work on numbers it was not fitted on, and on pairs that lie near each other, so places are compared
# by cross-validation that leaves out *numbers*: a row counts as test only if both of its numbers were left out and are
# near each other in the order that the labels give. The probe itself is the difference of the means of true and false
# statements, with what the addressee and the ending add taken away first.

# %% [cells of] cells/number_splits.py

# %% [cells of] cells/probing.py


# %% [markdown]
# ## Difference of means
# Addressee and ending are independent of the truth, but in a sample they never are quite, and they are loud.


# %%
def indicators(columns):
    return np.concatenate([column[:, None] == np.unique(column)[None] for column in columns.numpy().T], axis=1).astype(
        float
    )


manner_of = indicators(statements[:, -2:])


def fit_rows(values, target, rows):
    """The difference of the class means beside a regression on addressee and ending."""
    design = np.concatenate([manner_of[rows], target[:, None]], axis=1)
    effects = np.linalg.lstsq(design, values, rcond=None)[0]
    return effects[-1], 0.0, values.mean(0)


def means_cross_validated(values):
    fits = [(fit_rows(values[train], truth[train], train), test) for train, test in splits]
    return np.mean([accuracy(probe, values[test], truth[test]) for probe, test in fits])


# %% [markdown]
# A difference of means takes everything that true and false statements differ in. Most pairs lie far apart, so the size
# of each number is in it, where sizes are loud: on near pairs that is worth little. So the place has to be chosen for
# this probe, and is not the first one at which logistic regression finds the truth.

# %%
means_grid = np.array([[means_cross_validated(layer[:, p]) for p in positions] for layer in hidden])
print(means_grid.round(3))
figure, axes = plt.subplots(figsize=(6, 4))
draw_lines(axes, means_grid, "difference of means")
plt.show()

layer, column = np.unravel_index(means_grid.argmax(), means_grid.shape)
position, held_out = positions[column], means_grid.max()
chosen = hidden[layer][:, position]
everything = np.ones(len(chosen), dtype=bool)
print(f"block {layer}, position {position}: {held_out:.3f}, logistic regression there {grid[layer, column]:.3f}")


def plain_difference(values, target):
    above, below = values[target].mean(0), values[~target].mean(0)
    return above - below, 0.0, (above + below) / 2


def fit(values, target):
    return fit_rows(values, target, everything) if len(values) == len(everything) else plain_difference(values, target)


# %% [cells of] cells/pictures.py

# %%
method = "difference of means beside addressee and ending"

# %% [cells of] cells/answer.py
