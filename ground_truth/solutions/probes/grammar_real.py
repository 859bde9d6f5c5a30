"""Reference solution of probes/grammar_real: logistic regression on left-out blocks, with controls, and a decision."""

# %% [markdown]
# # Agreement in a real model
# A probe has to work on nouns and verbs it was not fitted on.

# %% [cells of] cells/real_reading.py

# %% [cells of] cells/real_controls.py

# %% [cells of] cells/real_decision.py
