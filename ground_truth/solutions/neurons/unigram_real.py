"""Reference solution of neurons/unigram_real: variance explained by the merged variants of the word."""

# %% [markdown]
# # Which neurons of the model follow one word?
#
# The word counts in all its case and space variants. As a comparison I measure each variant by itself as well: a neuron
# may follow one of them only.

# %%
word, count = question["word"], question["count"]
variants = [i for i, string in enumerate(vocabulary) if string.strip().lower() == word]
features = [torch.isin(tokens, torch.tensor(variants))] + [tokens == variant for variant in variants]
labels = [word] + [repr(vocabulary[variant]) for variant in variants]
features, asked = torch.stack(features).float(), [0]
for label, feature in zip(labels, features, strict=True):
    print(f"{label}: {feature[:, 1:].sum():.0f} of {feature[:, 1:].numel()} positions")

# %% [cells of] cells/real_scan.py

# %% [cells of] cells/real_choice.py

# %% [markdown]
# ## Single variants

# %%
for column in chosen[0]:
    parts = ", ".join(
        f"{label} {explained[row, column]:z.3f}" for row, label in enumerate(labels) if features[row].any()
    )
    print(f"{names[column]:>9}: {parts}")

# %% [cells of] cells/real_show.py

# %% [cells of] cells/show.py

# %%
for row, place in pairs[:5]:
    heading = f"{names[listed[place]]}, {labels[row]}: RVE {explained[row, listed[place]]:.3f}"
    show_texts([place], [heading], features[row] > 0.5, top_texts=2)

# %% [cells of] cells/real_finding.py
