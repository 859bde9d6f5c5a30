"""Reference solution of neurons/alphabet_real: variance explained by the first letter, one neuron per letter."""

# %% [cells of] cells/real_letters.py

# %% [cells of] cells/real_scan.py

# %% [cells of] cells/real_choice.py

# %% [markdown]
# ## This letter, or others?

# %%
columns = [one[0] for one in chosen]
figure, axes = plt.subplots(figsize=(9, 0.6 + 0.4 * len(columns)))
alphabetical = sorted(range(len(labels)), key=lambda row: labels[row])
image = axes.imshow(explained[alphabetical][:, columns].T.numpy(), cmap="RdBu_r", vmin=-0.6, vmax=0.6, aspect="auto")
axes.set_xticks(range(len(labels)), [labels[row] for row in alphabetical])
axes.set_yticks(range(len(columns)), [f"{labels[row]}: {names[columns[row]]}" for row in asked])
axes.set_title("signed RVE by the first letter", fontsize=9)
figure.colorbar(image)
plt.show()

# %% [cells of] cells/real_show.py

# %% [cells of] cells/show.py

# %%
for row, place in pairs[:5]:
    heading = f"{names[listed[place]]}, {labels[row]}: RVE {explained[row, listed[place]]:.3f}"
    show_texts([place], [heading], features[row] > 0.5, top_texts=2)

# %% [markdown]
# ## Answer
#
# The confidence is how much of the chosen neurons' RVE other text leaves, at most 0.97.

# %%
answer = {
    "neurons": {letter: names[column] for letter, column in zip(letters, columns, strict=True)},
    "confidence": round(min(0.97, worth / max(own, 1e-6)), 3),
    "summary": (
        f"Variance explained by the first letter of all {len(names)} neurons at {everything['n']:.0f} positions: "
        + ", ".join(f"{letter} {explained[row, columns[row]]:.2f}" for row, letter in enumerate(letters))
        + f". Chosen on one half of the texts they have {worth:.3f} on average on the other; the best of as many "
        f"unrelated neurons would have about {noise:.4f}."
    ),
}
