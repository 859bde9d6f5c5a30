"""Reference solution of neurons/position in laboratories: few texts, and every neuron tested on them."""

# %% [markdown]
# # Which neurons follow the position in this shape?
#
# Readings have noise and texts have a price. So I choose texts that tell most, read all neurons on them, and test each
# with the feature, corrected for their number.

# %%
BAR = question["bar"]
ALLOWANCE = 0.25  # standard errors that are taken off a variance
places = torch.arange(tokens.shape[1]).expand(tokens.shape)
if question["shape"] == "band":
    band = (places >= question["first"]) & (places <= question["last"])
    features = {f"positions {question['first']} to {question['last']}": (band, tokens, 1)}
else:
    features = {question["shape"]: (places.float(), tokens, 1 if question["shape"] == "rising" else -1)}

# %% [cells of] cells/lab_sampling.py

# %% [cells of] cells/lab_testing.py

# %% [cells of] cells/lab_answer.py
