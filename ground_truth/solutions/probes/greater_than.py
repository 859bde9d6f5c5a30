"""Reference solution of probes/greater_than: logistic regression, cross-validated over numbers, with a twin control."""

# %% [markdown]
# # A probe for "x is greater than y"
# The probe has to work on numbers it was not fitted on, so every choice below (block, position, penalty) is made by
# cross-validation that leaves out *numbers*: a row counts as test only if both of its numbers were left out.

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

truth = labels.numpy()
for row in range(4):
    print(text(statements[row]), "->", bool(truth[row]))
varying = [p for p in range(statements.shape[1]) if len(statements[:, p].unique()) > 2]
first, second = (statements[:, p].numpy() for p in varying)
numbers = np.unique(np.concatenate([first, second]))
print("the numbers stand at positions", varying, "and there are", len(numbers))

# %%
N_SPLITS = 5


def number_splits():
    """Row masks (train, test) that share no number."""
    for split in range(N_SPLITS):
        left_out = np.random.default_rng(split).choice(numbers, len(numbers) // 3, replace=False)
        out_first, out_second = np.isin(first, left_out), np.isin(second, left_out)
        yield ~out_first & ~out_second, out_first & out_second


def fit(hidden, target, penalty):
    center, spread = hidden.mean(0), hidden.std(0) + 1e-9
    fitted = LogisticRegression(C=penalty, max_iter=1000).fit((hidden - center) / spread, target)
    return fitted.coef_[0] / spread, fitted.intercept_[0], center


def accuracy(probe, hidden, target):
    weight, bias, center = probe
    return (((hidden - center) @ weight + bias > 0) == target).mean()


def cross_validated(hidden, penalty):
    return np.mean(
        [
            accuracy(fit(hidden[train], truth[train], penalty), hidden[test], truth[test])
            for train, test in number_splits()
        ]
    )


def residuals(network):
    with torch.no_grad():
        _, cache = network.run_with_cache(statements, names_filter=lambda name: name.endswith("hook_resid_post"))
    return [cache["resid_post", layer].double().numpy() for layer in range(network.cfg.n_layers)]


# %% [markdown]
# ## What the model says
# If the next token were simply the truth, the unembedding would be a probe. It is not: see the two endings apart.

# %%
with torch.no_grad():
    logits = model(statements)[:, -1]
true_token, false_token = vocabulary.index("true"), vocabulary.index("false")
says_true = (logits[:, true_token] > logits[:, false_token]).numpy()
endings = statements[:, -1].numpy()
for ending in np.unique(endings):
    chosen = endings == ending
    print(f"ending {vocabulary[ending]!r}: the model says the truth in {(says_true == truth)[chosen].mean():.3f}")

# %% [markdown]
# ## Where the truth is
# Accuracy on left-out numbers for every block and every position from the first number on.

# %%
hidden = residuals(model)
positions = list(range(varying[0], statements.shape[1]))
grid = np.array([[cross_validated(layer[:, p], 0.1) for p in positions] for layer in hidden])
print(grid.round(3))

figure, axes = plt.subplots(figsize=(6, 4))
for column, position in enumerate(positions):
    axes.plot(grid[:, column], marker="o", label=f"position {position}")
axes.set(xlabel="block", ylabel="accuracy on left-out numbers", xticks=range(len(hidden)))
axes.legend()
plt.show()

# %%
layer, column = np.unravel_index(grid.argmax(), grid.shape)
position = positions[column]
chosen = hidden[layer][:, position]
penalties = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0]
by_penalty = [cross_validated(chosen, penalty) for penalty in penalties]
penalty = penalties[int(np.argmax(by_penalty))]
print(f"block {layer}, position {position}, C = {penalty}: {max(by_penalty):.3f}")

# %%
_, _, directions = np.linalg.svd(chosen - chosen.mean(0), full_matrices=False)
plane = (chosen - chosen.mean(0)) @ directions[:2].T
figure, axes = plt.subplots(figsize=(6, 4))
for value, color in ((True, "tab:blue"), (False, "tab:red")):
    axes.scatter(*plane[truth == value].T, s=4, color=color, label=f"{value}".lower())
axes.set(xlabel="first principal component", ylabel="second", title=f"block {layer}, position {position}")
axes.legend(title="truth")
plt.show()

# %% [markdown]
# ## Control
# The same recipe on untrained models of the same shape: if a random network were as good, the probe would be reading
# the tokens and not what the model learned.

# %%
control = []
for seed in range(3):
    torch.manual_seed(seed)
    twin = HookedTransformer(config)
    twin.eval()
    control.append(cross_validated(residuals(twin)[layer][:, position], penalty))
print("untrained twins:", np.round(control, 3))

# %%
weight, bias, center = fit(chosen, truth, penalty)
held_out = max(by_penalty)
answer = {
    "layer": int(layer),
    "position": int(position),
    "weight": weight.tolist(),
    "bias": float(bias),
    "center": center.tolist(),
    "confidence": float(np.clip(held_out, 0.0, 0.99)),
    "nothing_found": False,
    "summary": (
        f"Logistic regression at block {layer}, position {position}: accuracy {held_out:.3f} on left-out numbers, "
        f"best position after block 0 {grid[0].max():.3f}, untrained twins {np.mean(control):.3f}."
    ),
}
print(answer["summary"])

# %% [markdown]
# ## Reading
# After the first block no position knows more than one of the two numbers, and the magnitude of one number alone is
# right in about three quarters of the pairs. The comparison is complete one block later towards the end of the
# statement, and it is the truth that stands there, not what the model goes on to say: that depends on the ending as
# well. Untrained twins stay near one half on numbers that were left out.
