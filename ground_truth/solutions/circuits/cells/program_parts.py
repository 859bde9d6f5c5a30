"""Shared cells: a prompt has parts that can be drawn anew one at a time; needs `ask`, `words`, `once`, `places`."""

# %% [markdown]
# ## Which parts of a prompt matter?
#
# Each part is drawn anew while the others stay. If the label changes, it depends on that part, at least sometimes.


# %%
def draw(allowed, where, n):
    """n prompts made of the allowed ordinary words per position, and where the single word stands in each."""
    rows = np.stack([rng.choice(choices, n) for choices in allowed], 1)
    standing = rng.choice(where, n)
    rows[np.arange(n), standing] = once
    return rows, standing


def with_word(rows, standing, position, word, allowed):
    """The same prompts with this word at a position; prompts where the single word stands there move it away first."""
    rows = rows.copy()
    if word == once:  # where it stood before, there is an ordinary word now
        rows[np.arange(len(rows)), standing] = [rng.choice(allowed[place]) for place in standing]
    rows[:, position] = word
    return rows


def sensitivity(allowed, where, n):
    """How often the label changes when a part is drawn anew: per position, and last for the place."""
    changes = []
    for position in range(n_ctx):
        elsewhere = [place for place in where if place != position]
        if not elsewhere or len(allowed[position]) == 1:
            changes.append(0.0)
            continue
        rows, _ = draw(allowed, elsewhere, n)
        other = rows.copy()
        other[:, position] = rng.choice(allowed[position], n)
        changes.append(np.mean(ask(rows) != ask(other)))
    rows = np.stack([rng.choice(choices, n) for choices in allowed], 1)
    one, other = rows.copy(), rows.copy()
    one[np.arange(n), rng.choice(where, n)] = once
    other[np.arange(n), rng.choice(where, n)] = once
    return np.array([*changes, np.mean(ask(one) != ask(other))])
