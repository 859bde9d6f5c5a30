"""Reference solution of neurons/position_real: variance explained by a shape over the position."""

# %% [cells of] cells/real_shapes.py

# %% [cells of] cells/real_scan.py

# %% [cells of] cells/real_choice.py

# %% [markdown]
# ## Mean activation by position, and other shapes

# %%
by_position = everything["fa"][len(shapes) :] / everything["f"][len(shapes) :, None]
scale = (everything["aa"] / everything["n"] - (everything["a"] / everything["n"]).square()).sqrt()
figure, axes = plt.subplots(figsize=(9, 3.2))
for column in chosen[0]:
    axes.plot(range(1, length), (by_position[:, column] / scale[column]).numpy(), label=names[column])
axes.set(xlabel="position", ylabel="mean activation, standard deviations", title=f"submitted neurons: {what}")
axes.legend(fontsize=7)
plt.show()
for column in chosen[0]:
    parts = ", ".join(f"{label} {explained[row, column]:z.3f}" for row, label in enumerate(labels[: len(shapes)]))
    print(f"{names[column]:>9}: {parts}")

# %% [cells of] cells/real_show.py

# %% [cells of] cells/show.py

# %%
for row, place in pairs[:5]:
    heading = f"{names[listed[place]]}, {labels[row]}: RVE {explained[row, listed[place]]:.3f}"
    show_texts([place], [heading], features[row] > 0.5, top_texts=2)

# %% [cells of] cells/real_finding.py
