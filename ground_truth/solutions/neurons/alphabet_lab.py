"""Reference solution of neurons/alphabet in laboratories: few texts, and every neuron tested with every letter."""

# %% [markdown]
# # Which neuron fires on the tokens that start with each letter?
#
# Readings have noise and texts have a price. So I choose texts that tell most, read all neurons on them, and test each
# with every letter, corrected for the number of tests.

# %%
BAR = question["bar"]
ALLOWANCE = 0.25  # standard errors that are taken off a variance
initials = [string.strip().lower()[:1] for string in vocabulary]  # marks such as "<doc>" start with no letter
features = {
    letter: (torch.tensor([initial == letter for initial in initials])[tokens], tokens, 1)
    for letter in question["letters"]
}

# %% [cells of] cells/lab_sampling.py

# %% [cells of] cells/lab_testing.py

# %% [markdown]
# ## The neuron of each letter
#
# Of the neurons that surely respond to a letter, and of which nothing shows that they do much else, the one that
# responds most surely; none where there is no such neuron.


# %%
def best(rve, z):
    """The surest neuron that reaches the bar, or None."""
    rated = torch.where((z > critical) & (rve >= BAR), z, -torch.inf)
    return None if rated.max() == -torch.inf else names[int(rated.argmax())]


chosen = {letter: best(*results[letter]) for letter in results}
for letter, (rve, z) in results.items():
    order = z.argsort(descending=True)[:5].tolist()
    shown = ", ".join(f"{names[i]} {rve[i]:.2f} ({z[i]:.1f})" for i in order)
    print(f"{letter} -> {chosen[letter]}: variance explained at most (standard errors) {shown}")
changed = sum(best(*all_layers(letter, allowance)) != chosen[letter] for letter in results for allowance in (0.0, 0.75))
answer = {
    "neurons": chosen,
    "confidence": max(0.3, 0.95 - 0.2 * changed),
    "summary": (
        f"{sum(neuron is not None for neuron in chosen.values())} of {len(chosen)} letters have a neuron that responds "
        f"by at least {critical:.1f} standard errors, corrected for {tests} tests, and varies too little otherwise to "
        f"explain less than {BAR}. {lab.budget.spent} of {lab.budget.total} prompts were spent."
    ),
}
