"""Reference solution of probes/cities in laboratories: pairs of statements, and halving over layers."""

# %% [markdown]
# # A probe for "the city of X is in Y", on a budget
# Reading a statement costs, and what is read has noise: what counts is how much every statement tells. I make pairs of
# a true and a false statement about the same city, look for the place with a part of the budget, and spend the rest
# there.

# %% [cells of] cells/lab_manner.py

# %%
counts = [len(statements[:, p].unique()) for p in range(statements.shape[1])]
WINDOW = 3  # tokens that a head sees: the prompt says so
earliest, latest = city_position, country_position = tuple(int(p) for p in np.argsort(counts)[:-3:-1])
true = statements[labels]
known = true[np.unique(true[:, city_position], return_index=True)[1]]  # one true statement for each city
waiting = itertools.cycle(rng.permutation(len(known)))
print(len(known), "cities; pairs such as", text(known[0]))


def draw(count):
    """True statements, and the same with the country of another pair."""
    right = known[[next(waiting) for _ in range(count)]]
    wrong = right.clone()
    home = right[:, country_position]
    shifts = [home.roll(shift) for shift in range(1, count)]
    # the shift by which the fewest get their own country; for those, any other
    wrong[:, country_position] = min(shifts, key=lambda other: int((other == home).sum()))
    for row in (wrong[:, country_position] == home).nonzero()[:, 0].tolist():
        wrong[row, country_position] = rng.choice(known[known[:, country_position] != home[row], country_position])
    return in_manners(right, wrong)


# %% [cells of] cells/lab_direction.py

# %% [cells of] cells/lab_reading.py

# %% [cells of] cells/lab_answer.py
