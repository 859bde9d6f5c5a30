"""Cells shared by the notebooks on a real model: the words alone, an untrained model, and the pictures."""

# %% [markdown]
# ## Controls
# Counts of tokens, and the same recipe on an untrained model of the same shape. Random embeddings and random attention
# know which words stand where, which is enough for some questions; what training has put there is what is above that.

# %%
import copy
import warnings

import matplotlib.pyplot as plt

known = sorted({int(token) for row in tokens for token in row})
counts = np.array([[(row == token).sum().item() for token in known] for row in tokens], dtype=float)
words = left_out_blocks(counts).mean()

# a random block adds as little as any other: a part of the depth is enough, and takes half of the time
control_layers = [1, 3, 5, 9]
config = copy.deepcopy(model.cfg)
config.n_layers, config.init_weights = max(control_layers) + 1, True
torch.manual_seed(0)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    untrained = type(model)(config)
untrained_hidden = residuals(untrained, control_layers)
untrained_grid = np.array([[left_out_blocks(at.astype(float)).mean() for at in layer] for layer in untrained_hidden])
twin = nested(untrained_hidden.astype(float))[0].mean()
del untrained
chance = max(0.5, words, twin)
controls = f"counts of tokens in {words:.3f}, an untrained model in {twin:.3f}"
print(f"{controls}, so chance is {chance:.3f}")

# %%
figure, axes = plt.subplots(1, 3, figsize=(16, 4))
for column, position in enumerate(POSITIONS):
    axes[0].plot(layers, grid[:, column], marker="o", label=f"position {position}")
    axes[0].plot(control_layers, untrained_grid[:, column], linestyle=":", marker=".", label=f"untrained, {position}")
    axes[1].plot(layers, grid[:, column] - chance, marker="o", label=f"position {position}")
axes[0].axhline(words, color="grey", linewidth=1, label="tokens")
axes[0].axhline(0.5, color="black", linewidth=0.5)
axes[0].set(xlabel="layer", ylabel="accuracy on left-out blocks", ylim=(0.3, 1), title="what is read where")
axes[1].axhline(0, color="black", linewidth=0.5)
axes[1].set(xlabel="layer", ylabel="accuracy - chance", title="selectivity")
chosen = hidden[place].astype(float)
centred = (chosen - chosen.mean(0)) / (chosen.std(0) + 1e-9)
plane = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
for value, color in ((True, "tab:blue"), (False, "tab:red")):
    axes[2].scatter(*plane[truth == value].T, s=6, color=color, alpha=0.6, label=f"{value}".lower())
axes[2].set(
    xlabel="first principal component", ylabel="second", title=f"layer {layers[place[0]]}, {POSITIONS[place[1]]}"
)
for panel in axes:
    panel.legend(fontsize=7)
plt.show()
