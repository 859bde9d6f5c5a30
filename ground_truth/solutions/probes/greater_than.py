"""Reference solution of probes/greater_than: logistic regression, cross-validated over numbers, with a twin control."""

# %% [markdown]
# # A probe for "x is greater than y"
# The probe has to work on numbers it was not fitted on, and on pairs that lie near each other, so every choice below
# (block, position, penalty) is made by cross-validation that leaves out *numbers*: a row counts as test only if both of
# its numbers were left out and are near each other in the order that the labels give.

# %% [cells of] cells/number_splits.py

# %% [cells of] cells/probing.py

# %% [cells of] cells/penalty.py

# %% [cells of] cells/pictures.py

# %%
method = "logistic regression, cross-validated over numbers"

# %% [cells of] cells/answer.py
