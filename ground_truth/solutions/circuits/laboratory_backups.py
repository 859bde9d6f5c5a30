"""Reference solution of the circuit tasks in a laboratory, where components may stand in for each other."""

# %% [markdown]
# # Which components make up the circuit, if some stand in for others?
#
# A component that another one stands in for shows nothing by itself: the answer changes only where a group holds all of
# those that stand in for each other.

# %%
pool, pool_labels, donors, donor_labels = base, base_labels, source, source_labels
BREAKS = "all"

# %% [cells of] cells/lab_testing.py

# %% [cells of] cells/lab_places.py

# %% [cells of] cells/lab_particles.py

# %% [cells of] cells/lab_chosen.py
