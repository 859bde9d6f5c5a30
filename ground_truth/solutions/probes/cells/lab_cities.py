"""Cells shared by the notebooks for laboratories on cities: true statements, and the same with another country."""

# %%
WINDOW = 3  # tokens that a head sees: the prompt says so
counts = [len(statements[:, p].unique()) for p in range(statements.shape[1])]
earliest, latest = city_position, country_position = tuple(int(p) for p in np.argsort(counts)[:-3:-1])
true = statements[labels]
known = true[np.unique(true[:, city_position], return_index=True)[1]]  # one true statement for each city
waiting = itertools.cycle(rng.permutation(len(known)))
print(len(known), "cities; statements such as", text(known[0]))


def draw(count):
    """True statements, and the same with the country of another pair where it is another one."""
    right = known[[next(waiting) for _ in range(count)]]
    wrong, home = right.clone(), right[:, country_position]
    wrong[:, country_position] = home.roll(1)
    for row in (wrong[:, country_position] == home).nonzero()[:, 0].tolist():
        wrong[row, country_position] = int(rng.choice(known[known[:, country_position] != home[row], country_position]))
    return in_manners(right, wrong)
