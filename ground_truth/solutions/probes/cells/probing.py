"""Cells shared by the notebooks that fit a probe: activations, cross-validation, where the truth is, pictures.

They use `splits`, a list of (train, test) row masks that the notebook has made for its own question, and `decided_at`,
the position of the later of the two words that decide.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

truth = labels.numpy()


def residuals(network):
    """The residual stream after every block: [layer, statement, position, d_model]."""
    with torch.no_grad():
        _, cache = network.run_with_cache(statements, names_filter=lambda name: name.endswith("hook_resid_post"))
    return np.stack([cache["resid_post", layer].double().numpy() for layer in range(network.cfg.n_layers)])


def logistic(hidden, target, penalty=0.1):
    """L2-regularised logistic regression on standardised activations, in raw coordinates."""
    center, spread = hidden.mean(0), hidden.std(0) + 1e-9
    fitted = LogisticRegression(C=penalty, max_iter=1000).fit((hidden - center) / spread, target)
    return fitted.coef_[0] / spread, fitted.intercept_[0], center


def accuracy(probe, hidden, target):
    weight, bias, center = probe
    return (((hidden - center) @ weight + bias > 0) == target).mean()


def cross_validated(hidden, fit):
    """Mean accuracy on the left-out rows of every split."""
    return np.mean([accuracy(fit(hidden[train], truth[train]), hidden[test], truth[test]) for train, test in splits])


# %% [markdown]
# ## What the model says
# If the next token were simply the truth, the unembedding would be a probe. It depends on the ending as well:

# %%
with torch.no_grad():
    said = model(statements)[:, -1].argmax(-1)
says_true = np.isin(said.numpy(), [vocabulary.index(word) for word in ("true", "yes")])
endings = statements[:, -1].numpy()
for ending in np.unique(endings):
    rows = endings == ending
    print(f"ending {vocabulary[ending]!r}: the model says the truth in {(says_true == truth)[rows].mean():.3f}")

# %% [markdown]
# ## Where the truth is
# Accuracy on left-out rows for every block and every position from the one on at which both words that decide have been
# read; before it nothing can know.

# %%
hidden = residuals(model)
positions = list(range(decided_at, statements.shape[1]))
grid = np.array([[cross_validated(layer[:, p], logistic) for p in positions] for layer in hidden])


def draw_lines(axes, table, title):
    """A line per position over the blocks, named where it ever leaves chance."""
    for column, position in enumerate(positions):
        found = table[:, column].max() > 0.6
        label = f"{position}: {vocabulary[int(statements[0, position])]}" if found else None
        axes.plot(table[:, column], marker="o", color=None if found else "lightgrey", label=label)
    axes.set(xlabel="block", ylabel="accuracy on left-out rows", xticks=range(len(table)), title=title)
    axes.legend(fontsize=7, title="position: token of the first statement", title_fontsize=7)


figure, axes = plt.subplots(1, 2, figsize=(12, 4))
draw_lines(axes[0], grid, "a line per position (grey: never above 0.6)")
image = axes[1].imshow(grid, vmin=0.5, vmax=1.0, cmap="viridis")
axes[1].set(
    xlabel="position", ylabel="block", xticks=range(len(positions)), xticklabels=positions, yticks=range(len(hidden))
)
figure.colorbar(image, ax=axes[1], shrink=0.6)
plt.show()
print(grid.round(3))
