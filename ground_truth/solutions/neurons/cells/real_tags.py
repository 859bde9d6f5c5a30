"""Shared cells: the features of a question, the tag asked for at its place, and all others there.

They need what an agent has, and leave `features`, `labels`, `asked` and `count`.
"""

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
