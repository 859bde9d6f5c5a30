"""Reference solution of probes/greater_than_pca: principal components beside the nuisance."""

# %% [markdown]
# # The direction of "greater than", without labels
# Without labels the loudest direction is the first to look at, but what is loudest here is to whom a statement is said
# and how it ends. I take that away, look at what is loudest then, and test it by what the truth of a comparison must
# do.

# %% [cells of] cells/direction.py
