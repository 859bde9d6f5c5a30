"""Reference solution of neurons/unigram_real: variance explained by the merged variants of the word."""

# %% [cells of] cells/real_word.py

# %% [cells of] cells/real_scan.py

# %% [cells of] cells/real_choice.py

# %% [markdown]
# ## Single variants

# %%
for column in chosen[0]:
    parts = ", ".join(
        f"{label} {explained[row, column]:z.3f}" for row, label in enumerate(labels) if features[row].any()
    )
    print(f"{names[column]:>9}: {parts}")

# %% [cells of] cells/real_show.py

# %% [cells of] cells/show.py

# %%
for row, place in pairs[:5]:
    heading = f"{names[listed[place]]}, {labels[row]}: RVE {explained[row, listed[place]]:.3f}"
    show_texts([place], [heading], features[row] > 0.5, top_texts=2)

# %% [cells of] cells/real_finding.py
