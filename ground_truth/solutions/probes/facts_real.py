"""Reference solution of probes/facts_real: logistic regression on left-out blocks, with controls, and a decision."""

# %% [markdown]
# # The truth of simple facts in a real model
# A probe has to work on subjects it was not fitted on, and the model may not know such facts at all.

# %% [cells of] cells/real_reading.py

# %% [cells of] cells/real_controls.py

# %% [cells of] cells/real_decision.py
