"""Cells shared by the notebooks that choose place and penalty of a logistic regression by cross-validation."""

# %% [markdown]
# ## Penalty

# %%
layer, column = np.unravel_index(grid.argmax(), grid.shape)
position = positions[column]
chosen = hidden[layer][:, position]
penalties = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0]
by_penalty = [cross_validated(chosen, lambda h, y, c=penalty: logistic(h, y, c)) for penalty in penalties]
penalty, held_out = penalties[int(np.argmax(by_penalty))], max(by_penalty)
print({c: round(float(value), 3) for c, value in zip(penalties, by_penalty, strict=True)})
print(f"block {layer}, position {position}, C = {penalty}: {held_out:.3f}")


def fit(values, target):
    return logistic(values, target, penalty)
