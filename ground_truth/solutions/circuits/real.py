"""Reference solution of the circuit tasks on a real model: EAP-IG per node, checked by the curves of its circuits."""

# %% [markdown]
# # Which components does the behaviour need?

# %% [cells of] cells/real_attribution.py

# %% [cells of] cells/real_curves.py
