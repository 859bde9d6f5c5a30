"""Reference solution of neurons/syntax_real: variance explained by the tag of the current or previous token."""

# %% [cells of] cells/real_tags.py

# %% [cells of] cells/real_scan.py

# %% [cells of] cells/real_choice.py

# %% [markdown]
# ## This tag, or others?

# %%
table_of = explained[:, chosen[0]]
order = [0, *(1 + table_of[1:].abs().max(1).values.argsort(descending=True)[:9]).tolist()]
figure, axes = plt.subplots(figsize=(8, 0.6 + 0.4 * count))
image = axes.imshow(table_of[order].T.numpy(), cmap="RdBu_r", vmin=-0.6, vmax=0.6, aspect="auto")
axes.set_xticks(range(len(order)), [labels[row] for row in order])
axes.set_yticks(range(count), [names[column] for column in chosen[0]])
axes.set_title(f"signed RVE by the tag of the {place} token; the first is asked for", fontsize=9)
figure.colorbar(image)
plt.show()

# %% [cells of] cells/real_show.py

# %% [cells of] cells/show.py

# %%
for row, place in pairs[:5]:
    heading = f"{names[listed[place]]}, {labels[row]}: RVE {explained[row, listed[place]]:.3f}"
    show_texts([place], [heading], features[row] > 0.5, top_texts=2)

# %% [cells of] cells/real_finding.py
