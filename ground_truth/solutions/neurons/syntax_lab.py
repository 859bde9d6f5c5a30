"""Reference solution of neurons/syntax in laboratories: few texts, and every neuron tested on them."""

# %% [markdown]
# # Which neurons tell the category?
#
# Readings have noise and texts have a price. So I choose texts that tell most, read all neurons on them, and test each
# with the feature, corrected for their number.

# %%
BAR = question["bar"]
ALLOWANCE = 0.25  # standard errors that are taken off a variance
current, ways = tags == tag_names.index(question["category"]), tokens
if question["place"] == "previous":
    current = torch.cat([torch.zeros_like(current[:, :1]), current[:, :-1]], dim=1)
    ways = torch.cat([tokens[:, :1], tokens[:, :-1]], dim=1)
features = {f"the {question['place']} token is {question['category']}": (current, ways, 0)}

# %% [cells of] cells/lab_sampling.py

# %% [cells of] cells/lab_testing.py

# %% [cells of] cells/lab_answer.py
