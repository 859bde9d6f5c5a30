"""Reference solution of the circuit tasks in a laboratory, where a component may matter for some answers only."""

# %% [markdown]
# # Which components make up the circuit?

# %%
pool, pool_labels, donors, donor_labels = base, base_labels, source, source_labels

# %% [cells of] cells/lab_testing.py

# %% [cells of] cells/lab_places.py

# %% [cells of] cells/lab_particles.py

# %% [cells of] cells/lab_chosen.py
