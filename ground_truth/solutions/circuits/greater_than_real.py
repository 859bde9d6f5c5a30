"""Reference solution of circuits/greater_than_real: EAP-IG per node, checked by the curves of its circuits."""

# %% [markdown]
# # What does the model need to end something after it began?

# %% [cells of] cells/real_attribution.py

# %% [cells of] cells/real_curves.py
