"""Cells shared by the notebooks that fit a probe: the chosen place in two dimensions, and the control.

They use `chosen` (activations), `layer`, `position` and `fit`.
"""

# %% [markdown]
# ## The chosen place in two dimensions
# The first two principal components, as they are and with what the addressee and the ending add taken away (a linear
# regression on both). What is loudest there is not the truth.


# %%
def two_components(values):
    centred = values - values.mean(0)
    return centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T


def indicators(columns):
    return np.concatenate([column[:, None] == np.unique(column)[None] for column in columns.numpy().T], axis=1).astype(
        float
    )


manner = np.concatenate([np.ones((len(chosen), 1)), indicators(statements[:, -2:])], axis=1)
without_manner = chosen - manner @ np.linalg.lstsq(manner, chosen, rcond=None)[0]
figure, axes = plt.subplots(1, 2, figsize=(12, 4))
for panel, values, title in ((axes[0], chosen, "as it is"), (axes[1], without_manner, "without addressee and ending")):
    plane = two_components(values)
    for value, color in ((True, "tab:blue"), (False, "tab:red")):
        panel.scatter(*plane[truth == value].T, s=5, color=color, alpha=0.6, label=f"{value}".lower())
    panel.set(xlabel="first principal component", ylabel="second", title=f"block {layer}, position {position}, {title}")
    panel.legend(title="truth")
plt.show()

# %% [markdown]
# ## Control
# The same recipe at the same place of untrained models of the same shape: if a random network were as good, the probe
# would be reading the tokens and not what the model learned.

# %%
control = []
for seed in range(3):
    torch.manual_seed(seed)
    twin = HookedTransformer(config)
    twin.eval()
    control.append(cross_validated(residuals(twin)[layer][:, position], fit))
print("untrained twins:", np.round(control, 3))
