"""Reference solution of neurons/alphabet_real in a laboratory: variance explained by first letters, in two rounds."""

# %% [cells of] cells/real_letters.py

# %% [cells of] cells/real_lab_search.py

# %%
values = torch.stack([explained[row, columns[0]] for row, columns in enumerate(chosen)])
answer = {
    "neurons": {letter: names[columns[0]] for letter, columns in zip(letters, chosen, strict=True)},
    "confidence": 0.8 if values.min() > 2 * noise else 0.5,
    "summary": (
        f"Signed variance explained by the first letter: all {len(names)} neurons at {screened_at} positions, then "
        f"those of {len(kept)} layers at {int(sums['n'].sum())}: "
        + ", ".join(f"{letter} {value:.2f}" for letter, value in zip(letters, values.tolist(), strict=True))
        + f". The best of as many unrelated ones would have had about {noise:.3f} in the first round."
    ),
}
