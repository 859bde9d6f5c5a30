"""Reference solution of neurons/syntax: variance explained by the category of the current or previous token."""

# %% [markdown]
# # Which neurons tell this grammatical category?
#
# For every neuron I measure how much of the variance of its activation the category at the asked place explains, with
# either sign. Categories go together (after a determiner often comes an adjective or a noun), so I measure all other
# categories at both places as well, to see that the best neurons follow this one and not one that goes along with it.

# %% [cells of] cells/scan.py

# %% [cells of] cells/show.py

# %%
import matplotlib.pyplot as plt
from IPython.display import Markdown, display

place, category = question["place"], question["category"]
what = f"{place} token: {category}"
direction, BAR = 0, question["bar"]


def tagged(where, name):
    """Whether the token at this place has the category, Bool of the shape of `tokens`."""
    here = tags == tag_names.index(name)
    if where == "current":
        return here
    return torch.cat([torch.zeros_like(here[:, :1]), here[:, :-1]], dim=1)


feature = tagged(place, category)
print(f"{feature.sum()} of {feature.numel()} positions ({feature.float().mean():.2%}) have the feature")

# %% [cells of] cells/decision.py

# %% [markdown]
# ## This category, or another one?
#
# Left: variance explained, with its sign, by the feature asked for (first column) and by the other features that
# explain these neurons best. Right: mean activation by category at the asked place, as a share of the neuron's highest
# one; it shows the neurons that see several categories, of which each alone explains little.

# %%
all_features = {
    f"{where} {name}": tagged(where, name)
    for where in ("current", "previous")
    for name in tag_names
    if tagged(where, name).any()
}
asked = f"{place} {category}"
chosen = [*found, *below]
by_feature = signed_rve(activations[:, chosen], torch.stack([f.flatten() for f in all_features.values()], dim=1))
labels = list(all_features)
others = sorted(
    (i for i, label in enumerate(labels) if label != asked), key=lambda i: -by_feature[:, i].abs().max().item()
)
columns = [labels.index(asked), *others[:7]]
at_place = [label for label in labels if label.startswith(place)]
mean_by_category = torch.stack(
    [activations[all_features[label].flatten()][:, chosen].mean(0) for label in at_place], dim=1
).clamp_min(0)
mean_by_category = mean_by_category / mean_by_category.max(1, keepdim=True).values.clamp_min(1e-6)
figure, (left, right) = plt.subplots(
    1, 2, figsize=(12, 1.8 + 0.35 * len(chosen)), width_ratios=[2 * len(columns), len(at_place)]
)
image = left.imshow(by_feature[:, columns], cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
for row in range(len(chosen)):
    for column, feature_number in enumerate(columns):
        value = by_feature[row, feature_number].item()
        left.text(
            column, row, f"{value:z.2f}", ha="center", va="center", fontsize=7, color="w" if abs(value) > 0.6 else "k"
        )
figure.colorbar(image, ax=left, label="signed RVE")
left.set_xticks(range(len(columns)), [labels[i] for i in columns], rotation=60, ha="right", fontsize=7)
image = right.imshow(mean_by_category, cmap="Reds", vmin=0, vmax=1, aspect="auto")
figure.colorbar(image, ax=right, label="share of highest mean")
right.set_xticks(range(len(at_place)), [label.split()[1] for label in at_place], rotation=60, ha="right", fontsize=7)
right.set_title(f"mean activation by category of the {place} token", fontsize=9)
for panel in (left, right):
    panel.set_yticks(range(len(chosen)), [names[i] + (" *" if i in found else "") for i in chosen], fontsize=8)
left.set_title("variance explained (* submitted)", fontsize=9)
figure.tight_layout()
plt.show()

# %%
runner_features = [
    f"`{names[i]}` follows {labels[best]} best ({by_feature[row, best]:z.2f})"
    for row, i in enumerate(chosen)
    for best in [by_feature[row].abs().argmax().item()]
    if i not in found
]
elsewhere = max((by_feature[row, others].abs().max().item() for row in range(len(found))), default=0.0)
display(
    Markdown(
        (
            f"No other single category at either place explains more than {elsewhere:.2f} of a submitted neuron. "
            if found
            else ""
        )
        + f"Of the runners-up, {'; '.join(runner_features)}."
    )
)

# %%
chosen = [*found[:3], *below[:3]]
show_texts(chosen, [heading(i) for i in chosen], feature, [turned_sign(i) for i in chosen])

# %% [cells of] cells/ablation.py

# %%
used_where = feature

# %% [cells of] cells/finding.py
