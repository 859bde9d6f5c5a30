"""Reference solution of neurons/position_real: variance explained by a shape over the position."""

# %% [markdown]
# # Which neurons of the model follow the position?
#
# Besides the shape asked for I measure a few others, to see what the neurons follow best, and means by position.

# %%
count = question["count"]
at = torch.arange(tokens.shape[1]).float()
shapes = {
    "rising": at,
    "falling": -at,
    **{f"{first} to {last}": (at >= first) & (at <= last) for first, last in [(1, 1), (1, 4), (1, 16), (64, 127)]},
}
what = question["shape"] if question["shape"] != "band" else f"{question['first']} to {question['last']}"
if question["shape"] == "band":
    shapes[what] = (at >= question["first"]) & (at <= question["last"])
# scaled to lie between 0 and 1; means by position come from one more feature for each
labels = [what, *(name for name in shapes if name != what), *(f"position {p}" for p in range(1, len(at)))]
profiles = [shapes[name].float() for name in labels[: len(shapes)]] + [(at == p).float() for p in range(1, len(at))]
profiles = [(one - one[1:].min()) / (one[1:].max() - one[1:].min()) for one in profiles]
features, asked = torch.stack(profiles)[:, None].expand(-1, len(tokens), -1), [0]

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
