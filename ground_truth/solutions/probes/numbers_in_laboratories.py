"""Reference solution of probes/greater_than and probes/smaller_than in laboratories: numbers that change places."""

# %% [markdown]
# # A probe for a comparison, on a budget
# The labels give the order of the numbers. I make pairs of statements in which two neighbours of the order change
# places: their sizes hardly differ, so that what is left is the comparison, which is what the probe is judged on.

# %% [cells of] cells/lab_manner.py

# %%
#: Numbers that are compared differ by at most this much in the order.
NEAR = 4
WINDOW = 4  # tokens that a head sees: the prompt says so
first_position, second_position = (p for p in range(statements.shape[1]) if len(statements[:, p].unique()) > 6)
earliest, latest = first_position, second_position
first = statements[:, first_position]
# the number that makes more statements true as the first one
wins = {number: float(labels[first == number].float().mean()) for number in first.unique().tolist()}
ranked = sorted(wins, key=wins.get)
near = [(b, a) for place, a in enumerate(ranked) for b in ranked[place + 1 : place + 1 + NEAR]]
waiting = itertools.cycle([near[number] for number in rng.permutation(len(near))])
print(len(ranked), "numbers;", len(near), "near pairs")


def draw(count):
    """True statements about near numbers, and the same with the numbers exchanged."""
    right = statements[:1].repeat(count, 1)
    right[:, [first_position, second_position]] = torch.tensor([next(waiting) for _ in range(count)])
    wrong = right.clone()
    wrong[:, [first_position, second_position]] = right[:, [second_position, first_position]]
    return in_manners(right, wrong)


# %% [cells of] cells/lab_direction.py

# %% [cells of] cells/lab_reading.py

# %% [cells of] cells/lab_answer.py
