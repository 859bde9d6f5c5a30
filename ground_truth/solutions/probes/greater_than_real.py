"""Reference solution of probes/greater_than_real: logistic regression on left-out blocks, controls, a decision."""

# %% [markdown]
# # Comparisons of numbers in a real model
# A probe has to work on numbers it was not fitted on; an untrained model already knows which number stands where.

# %% [cells of] cells/real_reading.py

# %% [cells of] cells/real_controls.py

# %% [cells of] cells/real_decision.py
