"""Reference solution of circuits/induction_real: EAP-IG per node, checked by the curves of its circuits."""

# %% [markdown]
# # What does the model need to go on as before?

# %% [cells of] _real_attribution.py

# %% [cells of] _real_curves.py
