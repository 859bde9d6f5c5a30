"""Shared cells for laboratories: the answer of a question for a set of neurons.

They need the cells of `lab_testing.py` and one feature.
"""

# %% [markdown]
# ## Which neurons reach the bar?
#
# Those that surely respond to the feature, and of which nothing shows that they do much else. The confidence is lower
# where a stricter or a looser reading of what else they do would change the answer.


# %%
def reaching(rve, z):
    """The neurons that are submitted, the surest first."""
    found = ((z > critical) & (rve >= BAR)).nonzero().flatten().tolist()
    return sorted(found, key=lambda i: -z[i])


((what, (rve, z)),) = results.items()
found = reaching(rve, z)
others = [i for i in z.argsort(descending=True).tolist() if i not in found][:8]
print(f"{what}\n{'neuron':>10} {'explained at most':>18} {'standard errors':>16}")
for i in [*found, *others]:
    print(f"{names[i]:>10} {rve[i]:18.2f} {z[i]:16.1f}  {'submitted' if i in found else ''}")
same = [set(reaching(*all_layers(what, allowance))) == set(found) for allowance in (0.0, 0.75)]
answer = {
    "neurons": [names[i] for i in found],
    "confidence": (0.6, 0.8, 0.95)[sum(same)],
    "summary": (
        f"{len(found)} neurons respond to {what} by at least {critical:.1f} standard errors, corrected for {tests} "
        f"tests, and vary too little otherwise to explain less than {BAR}. {lab.budget.spent} of {lab.budget.total} "
        "prompts were spent."
    ),
}
