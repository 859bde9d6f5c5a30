"""Reference solution of neurons/unigram in laboratories: few texts, and every neuron tested on them."""

# %% [markdown]
# # Which neurons fire on the word?
#
# Readings have noise and texts have a price. So I choose texts that tell most, read all neurons on them, and test each
# with the feature, corrected for their number.

# %%
BAR = question["bar"]
ALLOWANCE = 1.0  # standard errors that are taken off a variance; many, since a rare feature explains little
is_word = torch.tensor([string.strip().lower() == question["word"] for string in vocabulary])
features = {f"the word {question['word']!r}": (is_word[tokens], tokens, 1)}

# %% [cells of] cells/lab_sampling.py

# %% [cells of] cells/lab_testing.py

# %% [cells of] cells/lab_answer.py
