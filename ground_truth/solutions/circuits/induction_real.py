"""Reference solution of circuits/induction_real: EAP-IG per node, checked by the curves of its circuits."""

# %% [markdown]
# # What does the model need to go on as before?

# %% [cells of] cells/real_attribution.py

# %% [cells of] cells/real_curves.py
