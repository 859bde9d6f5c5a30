"""Reference solution of neurons/position_1 in laboratories: few texts, and every neuron tested on them."""

# %% [markdown]
# # Which neurons single out position 1?
#
# Readings have noise and texts have a price. So I choose texts that tell most, read all neurons on them, and test each
# with the feature, corrected for their number.

# %%
BAR = question["bar"]
ALLOWANCE = 0.25  # standard errors that are taken off a variance
places = torch.arange(tokens.shape[1]).expand(tokens.shape)
features = {"position 1": (places == 1, tokens, 1 if question["behaviour"] == "active" else -1)}

# %% [cells of] cells/lab_sampling.py

# %% [cells of] cells/lab_testing.py

# %% [cells of] cells/lab_answer.py
