"""Reference solution of probes/cities_real: logistic regression on left-out blocks, with controls, and a decision."""

# %% [markdown]
# # What a real model says about cities
# A probe has to work on cities it was not fitted on, and it may be that there is none.

# %% [cells of] cells/real_reading.py

# %% [cells of] cells/real_controls.py

# %% [cells of] cells/real_decision.py
