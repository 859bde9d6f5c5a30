"""Reference solution of probes/regularization: few components and an L1 penalty, both cross-validated."""

# %% [markdown]
# # A probe from very few labels
# There are fewer labelled statements than dimensions, a few labels are wrong, and ending, address and the named country
# go together with the label in this sample without having anything to do with it. First I look at how strong these
# accidents are, then I choose how much to regularise by cross-validation, since neither extreme can be right: a probe
# that fits every row also fits the wrong labels, and one that takes the loudest directions takes the accidents.

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score

truth = labels.numpy()
for row in range(4):
    print(text(statements[row]), "->", bool(truth[row]))
formal = torch.isin(
    statements[:, -2], torch.tensor([vocabulary.index(word) for word in ("sir", "madam", "doctor")])
).numpy()
stops = (statements[:, -1] == vocabulary.index(".")).numpy()
print(f"formal addresses: {formal[truth].mean():.2f} of the true, {formal[~truth].mean():.2f} of the false statements")
print(f"full stops:       {stops[truth].mean():.2f} of the true, {stops[~truth].mean():.2f} of the false statements")

# %% [markdown]
# ## Activations and recipes
# Principal components put the loud directions first. An L1 penalty on components of equal scale can pick the one that
# carries the truth and leave the others, which an L2 penalty or a difference of means can't.


# %%
def residuals(network, tokens=statements):
    """The residual stream after every block: [layer, statement, position, d_model]."""
    with torch.no_grad():
        _, cache = network.run_with_cache(tokens, names_filter=lambda name: name.endswith("hook_resid_post"))
    return np.stack([cache["resid_post", layer].double().numpy() for layer in range(network.cfg.n_layers)])


folds = StratifiedKFold(5, shuffle=True, random_state=0)
COMPONENTS, PENALTIES = (4, 6, 8, 12, 16), (0.03, 0.1, 0.3, 1.0, 3.0)


def scaled_components(values):
    centred = values - values.mean(0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    scales = sizes / np.sqrt(len(values)) + 1e-9
    return centred @ directions.T / scales, directions, scales


def sparse(penalty):
    return LogisticRegression(C=penalty, l1_ratio=1.0, solver="liblinear", max_iter=1000, random_state=0)


def log_losses(values, target=truth):
    """Cross-validated log loss for every number of components and every penalty."""
    scores = scaled_components(values)[0]
    return np.array(
        [
            [
                -cross_val_score(sparse(c), scores[:, :k], target, cv=folds, scoring="neg_log_loss").mean()
                for c in PENALTIES
            ]
            for k in COMPONENTS
        ]
    )


def choice(table):
    """The number of components and the penalty with the lowest loss."""
    row, entry = np.unravel_index(table.argmin(), table.shape)
    return COMPONENTS[row], PENALTIES[entry]


def left_out_accuracy(values, table):
    """Accuracy on left-out rows, wrong labels included, with the best choice."""
    k, c = choice(table)
    return cross_val_score(sparse(c), scaled_components(values)[0][:, :k], truth, cv=folds).mean()


# %% [markdown]
# ## Where to read
# The truth needs both the city and the country, so I look from the country on. For every block and position there, the
# log loss of the best choice (0.69 is a coin): it uses the scarce rows better than the accuracy does.

# %%
hidden = residuals(model)
words_at = [len(statements[:, p].unique()) for p in range(statements.shape[1])]
country_position = int(np.argsort(words_at)[-2])  # most different words: the cities, then the countries
positions = list(range(country_position, statements.shape[1]))
tables = [[log_losses(layer[:, p]) for p in positions] for layer in hidden]
grid = np.array([[table.min() for table in row] for row in tables])
print(grid.round(3))

# %% [markdown]
# So few rows, some of them wrong, do not tell which of the good places is best. The model can be run on any text, and
# there is something that I know without labels: a city lies in one country. I name every country in every statement and
# count those that the probe of a place takes for the truth. No accident passes this test: whatever a probe reads of
# countries, endings or addresses alone is the same for all cities. I take the place whose probe finds exactly one
# country for most cities.


# %%
def probe_at(layer, column):
    """Weight, bias and center in raw coordinates, with the best number of components and penalty of a place."""
    values, (k, c) = hidden[layer][:, positions[column]], choice(tables[layer][column])
    scores, directions, scales = scaled_components(values)
    fitted = sparse(c).fit(scores[:, :k], truth)
    return (fitted.coef_[0] / scales[:k]) @ directions[:k], float(fitted.intercept_[0]), values.mean(0)


def with_word(place, word):
    """The statements with another word at one position."""
    changed = statements.clone()
    changed[:, place] = word
    return changed


probes = {place: probe_at(*place) for place in np.ndindex(grid.shape)}
found = {place: np.zeros(len(statements)) for place in probes}
for country in statements[:, country_position].unique():
    named = residuals(model, with_word(country_position, country))
    for (layer, column), (weight, bias, center) in probes.items():
        found[layer, column] += (named[layer][:, positions[column]] - center) @ weight + bias > 0
single = np.array(
    [[(found[layer, column] == 1).mean() for column in range(len(positions))] for layer in range(len(hidden))]
)
print(single.round(3))

layer, column = max(probes, key=lambda place: (single[place], -grid[place]))
position, losses = positions[column], tables[layer][column]
k, c = choice(losses)
chosen = hidden[layer][:, position]
weight, bias, center = probes[layer, column]
print(f"chosen: block {layer}, position {position}, {k} components, C = {c}")

figure, axes = plt.subplots(1, 2, figsize=(12, 4))
for losses_there, single_there, place in zip(grid.T, single.T, positions, strict=True):
    label = f"{place}: {vocabulary[int(statements[0, place])]}"
    axes[0].plot(losses_there, marker="o", label=label)
    axes[1].plot(single_there, marker="o", label=label)
axes[0].axhline(np.log(2), color="grey", linestyle=":")
axes[0].set(xlabel="block", ylabel="cross-validated log loss", xticks=range(len(hidden)), title="a line per position")
axes[1].set(xlabel="block", ylabel="share of cities", xticks=range(len(hidden)), title="true with exactly one country")
axes[0].legend(fontsize=7)
plt.show()

# %% [markdown]
# ## Does it read an accident?
# Statements in which only the ending, or only the address, is changed have the same truth, and the probe should care
# little: how far it moves, in standard deviations of its projection.

# %%
spread = (chosen @ weight).std()
changes = {}
for name, place, words in (("ending", -1, (".", "!")), ("address", -2, ("sir", "mate"))):
    one, other = (residuals(model, with_word(place, vocabulary.index(word)))[layer][:, position] for word in words)
    changes[name] = float(abs(((one - other) @ weight).mean()) / spread)
print("moved by", changes)

# %% [markdown]
# ## How much to regularise

# %%
figure, axes = plt.subplots(figsize=(6, 4))
for row, count in enumerate(COMPONENTS):
    axes.semilogx(PENALTIES, losses[row], marker="o", label=f"{count} components")
axes.axhline(np.log(2), color="grey", linestyle=":")
axes.set(
    xlabel="C (larger: less penalty)", ylabel="cross-validated log loss", title=f"block {layer}, position {position}"
)
axes.legend()
plt.show()

scores = scaled_components(chosen)[0]
held_out = left_out_accuracy(chosen, losses)
print(f"accuracy on left-out rows, wrong labels included: {held_out:.3f}")

# %% [markdown]
# ## The sample in two dimensions
# The first two principal components are the accidents; the probe's projection is another direction.

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4))
for panel, coordinates, title in (
    (axes[0], scores[:, :2], "first two principal components"),
    (axes[1], np.stack([(chosen - center) @ weight + bias, scores[:, 0]], axis=1), "probe and first component"),
):
    for value, color in ((True, "tab:blue"), (False, "tab:red")):
        panel.scatter(*coordinates[truth == value].T, s=14, color=color, label=f"labelled {value}".lower())
    panel.set(title=f"block {layer}, position {position}: {title}")
    panel.legend()
plt.show()

# %% [markdown]
# ## Control

# %%
control = []
for seed in range(3):
    torch.manual_seed(seed)
    twin = HookedTransformer(config)
    twin.eval()
    table = log_losses(residuals(twin)[layer][:, position])
    control.append(table.min())
print("log loss of the best choice on untrained twins (a coin has 0.69):", np.round(control, 3))

# %%
answer = {
    "layer": int(layer),
    "position": int(position),
    "weight": weight.tolist(),
    "bias": bias,
    "center": center.tolist(),
    "confidence": float(np.clip(held_out, 0.0, 0.99)),
    "summary": (
        f"Block {layer}, position {position}: L1-regularised logistic regression on {k} principal components, C = {c}, "
        f"chosen by cross-validated log loss ({losses.min():.2f}; untrained twins {np.mean(control):.2f}). With "
        f"every country named in turn, it is true with exactly one for {single[layer, column]:.2f} of the cities. "
        f"Another ending moves the projection by {changes['ending']:.2f} of its spread, another address by "
        f"{changes['address']:.2f}."
    ),
}
