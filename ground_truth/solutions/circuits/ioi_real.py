"""Reference solution of circuits/ioi_real: EAP-IG per node, checked by the curves of its circuits."""

# %% [markdown]
# # What does the model need to name the receiver?

# %% [cells of] cells/real_attribution.py

# %% [cells of] cells/real_curves.py
