"""Reference solution of probes/cities: logistic regression, cross-validated over cities, with a twin control."""

# %% [markdown]
# # A probe for "the city of X is in Y"
# The probe has to work on cities it was not fitted on, so every choice below (block, position, penalty) is made by
# cross-validation that leaves out *cities*. Each city stands in as many true as false statements; on a split by rows
# the twin of a left-out row would give its label away.

# %%
import numpy as np

for row in range(4):
    print(text(statements[row]), "->", bool(labels[row]))
counts = [len(statements[:, p].unique()) for p in range(statements.shape[1])]
city_position = int(np.argmax(counts))
city_of = statements[:, city_position].numpy()
cities = np.unique(city_of)
decided_at = int(np.argsort(counts)[-2])  # the countries: the second most different words
print("cities stand at position", city_position, "countries at", decided_at, "and there are", len(cities))

# a city that is left out takes a true statement of its country with it, which makes untrained twins worse than a coin
shuffled = np.random.default_rng(0).permutation(cities)
splits = [(~np.isin(city_of, part), np.isin(city_of, part)) for part in np.array_split(shuffled, 5)]

# %% [cells of] cells/probing.py

# %% [cells of] cells/penalty.py

# %% [cells of] cells/pictures.py

# %%
method = "logistic regression, cross-validated over cities"

# %% [cells of] cells/answer.py
