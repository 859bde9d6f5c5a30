"""Cells of the notebooks that look for a direction without labels."""

# %%
import matplotlib.pyplot as plt
import numpy as np

for row in range(4):
    print(text(statements[row]))
tokens = statements.numpy()
hidden = activations.double().numpy()  # [layer, statement, d_model], at the last token


def indicators(columns):
    return np.concatenate([column[:, None] == np.unique(column)[None] for column in columns.T], axis=1).astype(float)


def without(values, nuisance):
    """What a linear regression on the nuisance leaves."""
    design = np.concatenate([np.ones((len(values), 1)), nuisance], axis=1)
    return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]


def components(values, count=4):
    """Principal directions, projections and shares of the variance."""
    centred = values - values.mean(0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    return directions[:count], centred @ directions[:count].T, (sizes**2 / (sizes**2).sum())[:count]


# %% [markdown]
# ## What is loudest
# The share of the variance of each token position, and of the first principal component, that the tokens explain: for
# every block, how much of the first component do addressee, ending and the two numbers account for?

# %%
number_positions = [p for p in range(tokens.shape[1]) if len(np.unique(tokens[:, p])) > 6]
named = {"address": tokens[:, -2:-1], "ending": tokens[:, -1:], "first number": tokens[:, number_positions[:1]],
         "second number": tokens[:, number_positions[1:]]}  # fmt: skip
for layer, values in enumerate(hidden):
    directions, projected, shares = components(values)
    explained = {
        name: 1 - without(projected[:, :1], indicators(columns)).var() / projected[:, 0].var()
        for name, columns in named.items()
    }
    print(f"block {layer}: share of the first component {shares[0]:.2f}; explained by",
          {name: round(float(value), 2) for name, value in explained.items()})  # fmt: skip

# %% [markdown]
# ## What is loudest beside the nuisance
# A statement's truth needs both numbers: it is no sum of something about the first and something about the second. So
# after a regression on addressee and ending I look at the first component again, and ask how it behaves when the two
# numbers change places. True statements become false then: the truth's direction changes sign, and it takes two values
# rather than many.

# %%
row_of = {tuple(pair): row for row, pair in enumerate(tokens[:, number_positions].tolist())}
partner = np.array([row_of[pair[::-1]] for pair in map(tuple, tokens[:, number_positions].tolist())])
manner = indicators(tokens[:, -2:])


def two_peaks(values):
    """1 for two points, about 0.36 for a normal distribution (variance between the halves, as a share)."""
    halves = values > values.mean()
    return ((values[halves].mean() - values[~halves].mean()) ** 2 * halves.mean() * (1 - halves.mean())) / values.var()


candidates = {}
for layer, values in enumerate(hidden):
    left = without(values, manner)
    directions, projected, shares = components(left)
    antisymmetry = -np.corrcoef(projected[:, 0], projected[partner, 0])[0, 1]
    candidates[layer] = (directions[0], projected, shares, antisymmetry, two_peaks(projected[:, 0]))
    print(f"block {layer}: share {shares[0]:.2f}, next {shares[1]:.2f}; swapped numbers {-antisymmetry:+.2f}; "
          f"two peaks {two_peaks(projected[:, 0]):.2f}")  # fmt: skip
layer = max(candidates, key=lambda number: candidates[number][3] * candidates[number][4])
direction, projected, shares, antisymmetry, peaks = candidates[layer]

# %%
figure, axes = plt.subplots(1, 3, figsize=(16, 4))
axes[0].plot(
    [candidates[number][3] for number in candidates], marker="o", label="changes sign when numbers are swapped"
)
axes[0].plot([candidates[number][4] for number in candidates], marker="o", label="two peaks")
axes[0].set(xlabel="block", xticks=range(len(hidden)), title="first component beside the nuisance")
axes[0].legend()
raw = components(hidden[layer])[1]
for ending in np.unique(tokens[:, -1]):
    rows = tokens[:, -1] == ending
    axes[1].scatter(raw[rows, 0], raw[rows, 1], s=4, label=f"ends in {vocabulary[ending]}")
    axes[2].scatter(projected[rows, 0], projected[rows, 1], s=4, label=f"ends in {vocabulary[ending]}")
axes[1].set(xlabel="first principal component", ylabel="second", title=f"block {layer}, as it is")
axes[2].set(xlabel="first principal component", ylabel="second", title=f"block {layer}, without addressee and ending")
axes[1].legend()
axes[2].legend()
plt.show()

# %% [markdown]
# ## Does it order the numbers?
# If the direction is the truth of a comparison, then who "wins" against whom is an order: counting wins must put the
# numbers in a row that nearly every pair agrees with.

# %%
first, second = tokens[:, number_positions].T
wins = {number: (projected[first == number, 0] > 0).mean() for number in np.unique(first)}
agree = np.mean(
    [(wins[a] > wins[b]) == (value > 0) for a, b, value in zip(first, second, projected[:, 0], strict=True)]
)
print(f"pairs that agree with the order by wins: {agree:.3f}")

# %%
answer = {
    "layer": int(layer),
    "position": "last",
    "direction": direction.tolist(),
    "confidence": float(np.clip(agree, 0.0, 0.99)),
    "summary": (
        f"First principal component of block {layer} after a regression on addressee and ending: it changes sign when "
        f"the numbers are swapped (correlation {-antisymmetry:+.2f}), has two peaks ({peaks:.2f}), and orders the "
        f"numbers ({agree:.3f} of the pairs agree)."
    ),
}
