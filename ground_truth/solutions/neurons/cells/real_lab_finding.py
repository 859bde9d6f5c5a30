"""Shared cells: the answer of a question for the best neurons of one feature, found in a laboratory.

They need the cells of `real_lab_search.py`.
"""

# %%
(columns,) = chosen
values = explained[0, columns]
answer = {
    "neurons": [names[column] for column in columns],
    "confidence": 0.8 if values.min() > 2 * noise else 0.5,
    "summary": (
        f"Signed variance explained by '{labels[asked[0]]}': all {len(names)} neurons at {screened_at} positions, then "
        f"those of {len(kept)} layers at {int(sums['n'].sum())}. They have {values.mean():.3f} on average "
        f"and the best of as many unrelated ones would have had about {noise:.3f} in the first round."
    ),
}
