"""Shared cells: the features of a question, the word asked for, and each of its variants.

They need what an agent has, and leave `features`, `labels`, `asked` and `count`.
"""

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
