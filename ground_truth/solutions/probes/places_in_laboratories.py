"""Reference solution of probes/cities in laboratories: pairs of statements, and halving over layers."""

# %% [markdown]
# # A probe for "the city of X is in Y", on a budget
# Reading a statement costs, and what is read has noise: what counts is how much every statement tells. I make pairs of
# a true and a false statement about the same city, look for the place with a part of the budget, and spend the rest
# there.

# %% [cells of] cells/lab_manner.py

# %% [cells of] cells/lab_cities.py

# %% [cells of] cells/lab_direction.py

# %% [cells of] cells/lab_reading.py

# %% [cells of] cells/lab_answer.py
