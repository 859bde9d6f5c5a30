"""Reference solution of neurons/syntax_real: variance explained by the tag of the current or previous token."""

# %% [markdown]
# # Which neurons of the model follow a part of speech?
#
# Besides the tag asked for I measure all others at the same place: a neuron that follows it may follow a larger group
# (verbs of any form), or a single frequent word of it.

# %%
place, category, count = question["place"], question["category"], question["count"]


def tagged(name):
    """Whether the token at the place asked for has a tag."""
    here = tags == tag_names.index(name)
    return here if place == "current" else torch.cat([torch.zeros_like(here[:, :1]), here[:, :-1]], dim=1)


present = [category] + [name for name in tag_names if name != category and tagged(name)[:, 1:].sum() >= 20]
features, labels, asked = torch.stack([tagged(name) for name in present]).float(), present, [0]
print(f"{place} {category}: {features[0, :, 1:].sum():.0f} of {features[0, :, 1:].numel()} positions")

# %% [cells of] cells/real_scan.py

# %% [cells of] cells/real_choice.py

# %% [markdown]
# ## This tag, or others?

# %%
table_of = explained[:, chosen[0]]
order = [0, *(1 + table_of[1:].abs().max(1).values.argsort(descending=True)[:9]).tolist()]
figure, axes = plt.subplots(figsize=(8, 0.6 + 0.4 * count))
image = axes.imshow(table_of[order].T.numpy(), cmap="RdBu_r", vmin=-0.6, vmax=0.6, aspect="auto")
axes.set_xticks(range(len(order)), [labels[row] for row in order])
axes.set_yticks(range(count), [names[column] for column in chosen[0]])
axes.set_title(f"signed RVE by the tag of the {place} token; the first is asked for", fontsize=9)
figure.colorbar(image)
plt.show()

# %% [cells of] cells/real_show.py

# %% [cells of] cells/show.py

# %%
for row, place in pairs[:5]:
    heading = f"{names[listed[place]]}, {labels[row]}: RVE {explained[row, listed[place]]:.3f}"
    show_texts([place], [heading], features[row] > 0.5, top_texts=2)

# %% [cells of] cells/real_finding.py
