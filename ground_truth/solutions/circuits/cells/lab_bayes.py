"""Shared cells: adaptive group testing by Bayes' rule; needs `predicted`, `SEES`, `log_prior`, `seen_of`."""

# %%
#: How many groups are compared for the next experiment, and on how many circuits that are drawn.
GROUPS, DRAWN = 300, 1500
#: Prompts of an experiment, and the probability at which nothing is left to ask.
AT_ONCE, SURE = 2, 0.9995

log_odds = log_prior.copy()


def posterior():
    odds = np.exp(log_odds - log_odds.max())
    return odds / odds.sum()


def next_group(weights):
    """The group whose result tells most about the circuit (mutual information), among random ones."""
    drawn = rng.choice(len(weights), size=DRAWN, p=weights)
    best, most = None, -1.0
    for _ in range(GROUPS):
        group = rng.random(len(nodes)) < rng.uniform(0.02, 0.9)
        if not group.any():
            continue
        table = SEES[predicted(group, drawn)]  # [circuit, result]
        mean = table.mean(0)
        told = -(mean * np.log(mean)).sum() + (table * np.log(table)).sum(1).mean()
        if told > most:
            best, most = group, told
    return best


while True:
    weights = posterior()
    if weights.max() > SURE:
        break
    group = next_group(weights)
    result = resampled_group([node for node, inside in zip(nodes, group, strict=True) if inside], AT_ONCE)
    if result is None:
        break
    rows, taken, run = result
    expected = predicted(group, slice(None))
    for row, donor, seen in zip(rows, taken, seen_of(rows, run), strict=True):
        history.append((tuple(np.flatnonzero(group)), row, donor, seen))
        log_odds += np.log(SEES[expected, seen])

weights = posterior()
likeliest = np.argsort(-weights)[:5]
for i in likeliest:
    print(f"{weights[i]:.3f} {name_of(i)}")
print(f"{len(history)} prompts patched; {start.left - lab.budget.left} of {start.total} spent, {lab.budget} now")
