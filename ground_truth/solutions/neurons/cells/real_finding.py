"""Shared cells: the answer of a question for the best neurons of one feature, and what supports it.

They need the cells of `real_choice.py`.
"""

# %% [markdown]
# ## Answer
#
# The confidence is how much of the chosen neurons' RVE other text leaves, at most 0.97.

# %%
(row,), (columns,) = asked, chosen
answer = {
    "neurons": [names[column] for column in columns],
    "confidence": round(min(0.97, worth / max(own, 1e-6)), 3),
    "summary": (
        f"Signed variance explained by '{labels[row]}' of all {len(names)} neurons at {everything['n']:.0f} positions: "
        f"the submitted ones have {explained[row, columns].mean():.3f} on average, the next one "
        f"{explained[row].topk(count + 1).values[-1]:.3f}. Chosen on one half of the texts they have {worth:.3f} on "
        f"the other; the best of as many unrelated neurons would have about {noise:.4f}."
    ),
}
