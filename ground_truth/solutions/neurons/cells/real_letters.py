"""Shared cells: the features of a question, the letters asked for, then all others.

They need what an agent has, and leave `features`, `labels`, `asked` and `count`.
"""

# %% [markdown]
# # Which neuron of the model follows each letter?
#
# All letters are measured, not only those asked for: a neuron that follows one letter may follow others as well.

# %%
import string

letters, count = question["letters"], 1
first = [one.lstrip()[:1].lower() for one in vocabulary]
labels = [*letters, *(letter for letter in string.ascii_lowercase if letter not in letters)]
of_letter = torch.tensor([labels.index(one) if one in labels else -1 for one in first])
features, asked = torch.stack([of_letter[tokens] == row for row in range(len(labels))]).float(), [*range(len(letters))]
print(", ".join(f"{labels[row]}: {features[row, :, 1:].mean():.1%}" for row in asked), "of the positions")
