"""Reference solution of the probe tasks on a real model: regression on left-out blocks, controls, a decision."""

# %% [markdown]
# # What can be read from a real model
# A probe has to work on entities it was not fitted on, and it may be that there is none: the model may not know what is
# asked for, and an untrained model already knows which word stands where.

# %% [cells of] cells/real_reading.py

# %% [cells of] cells/real_fits.py

# %% [cells of] cells/real_places.py

# %% [cells of] cells/real_controls.py

# %% [cells of] cells/real_decision.py
