"""Reference solution of neurons/position: the shape that is asked for, then mutual information with the position."""

# %% [markdown]
# # Which neurons follow the position in this shape?
#
# The squared correlation with the shape that is asked for decides, since the question defines the neurons by it. Mutual
# information finds all neurons that know the position, in whatever shape: it shows whether the submitted ones are among
# them, and what the others do instead.

# %% [cells of] cells/scan.py

# %% [cells of] cells/show.py

# %%
import matplotlib.pyplot as plt

shape, BAR = question["shape"], question["bar"]
if shape == "band":
    feature = (position >= question["first"]) & (position <= question["last"])
    what, direction = f"positions {question['first']} to {question['last']}", 1
else:
    feature, what, direction = position.float(), f"{shape} with the position", 1 if shape == "rising" else -1

# %% [cells of] cells/decision.py

# %% [markdown]
# ## Which neurons know the position, in any shape?
#
# Mutual information of the activation, in 16 bins that are equally full for each neuron, and the position; its bias for
# finite samples is subtracted (Miller 1955). It can't tell one shape from another: many neurons have information on the
# position, few have it in the shape asked for.

# %%
MI_TEXTS, BINS = min(n_texts, 200), 16


def position_information(values):
    """Mutual information of each column and the position in nats, Float[neuron]."""
    n = len(values)
    places = position.flatten()[:n]
    results = []
    for chunk in values.split(width, dim=1):
        columns = chunk.T.contiguous()
        edges = columns.sort(dim=1).values[:, n // BINS :: n // BINS][:, : BINS - 1].contiguous()
        cells = torch.searchsorted(edges, columns, right=True) * length + places
        cells += torch.arange(len(columns))[:, None] * BINS * length
        joint = torch.bincount(cells.flatten(), minlength=len(columns) * BINS * length).view(-1, BINS, length) / n
        expected = joint.sum(1, keepdim=True) * joint.sum(2, keepdim=True)
        results.append(torch.where(joint > 0, joint * (joint / expected).log(), 0.0).sum((1, 2)))
    return (torch.cat(results) - (BINS - 1) * (length - 1) / (2 * n)).clamp_min(0)


information = position_information(activations[: MI_TEXTS * length])
untrained_information = max(position_information(twin[: MI_TEXTS * length]).max().item() for twin in twins)
by_position = activations.view(n_texts, length, -1)
profile, spread = by_position.mean(0), by_position.std(0)
any_shape = profile.var(0, correction=0) / activations.var(0, correction=0).clamp_min(1e-12)
informed = information.argsort(descending=True).tolist()
knowing = [i for i in informed if information[i] > untrained_information]
print(f"untrained models: at most {untrained_information:.2f} nats; {len(knowing)} neurons have more, and of these")
print(f"{len(set(knowing) & set(found))} of the {len(found)} submitted; those have", end=" ")
print(", ".join(f"{information[i]:.2f}" for i in found) or "none", "nats")

figure, axes = plt.subplots(figsize=(5, 3.2))
axes.scatter(information, statistic, s=5, color="grey")
axes.scatter(information[found], statistic[found], s=25, color="tab:red", label="submitted")
axes.axhline(BAR, color="black", linewidth=1, label=f"bar ({BAR})")
axes.axvline(untrained_information, color="black", linewidth=1, linestyle=":", label="best untrained neuron")
axes.set(xlabel="information on the position (nats)", ylabel="variance explained (right sign: > 0)", title=what)
axes.legend(fontsize=7)
figure.tight_layout()
plt.show()

# %% [markdown]
# ## The shapes
#
# Mean activation by position, and the standard deviation over texts, for the submitted neurons and those that know most
# about the position. "Any shape" is the variance that the position explains however the mean depends on it: where it is
# high, only the shape keeps a neuron from being submitted; where it is low, its activation depends on other things too.

# %%
pictured = [*found[:4], *(i for i in informed if i not in found)][:12]
figure, grid = plt.subplots(3, 4, figsize=(11, 6), sharex=True)
for panel, i in zip(grid.flat, pictured, strict=True):
    colour = "tab:red" if i in found else "tab:grey"
    panel.plot(profile[:, i], color=colour)
    panel.fill_between(
        range(length), profile[:, i] - spread[:, i], profile[:, i] + spread[:, i], color=colour, alpha=0.25
    )
    if shape == "band":
        panel.axvspan(question["first"] - 0.5, question["last"] + 0.5, color="tab:blue", alpha=0.1)
    panel.set_title(f"{names[i]}: {information[i]:.2f} nats, RVE {statistic[i]:z.2f}", fontsize=8)
for panel in grid[-1]:
    panel.set_xlabel("position")
figure.suptitle(f"mean activation ± standard deviation; red: submitted for {what}", fontsize=10)
figure.tight_layout()
plt.show()

quarters = [range(k * length // 8, (k + 1) * length // 8) for k in range(8)]
table(
    ["nats", "any shape", "this shape", *(f"{part[0]}-{part[-1]}" for part in quarters)],
    [
        (
            names[i] + (" (submitted)" if i in found else ""),
            [
                *(f"{value:z.2f}" for value in (information[i], any_shape[i], statistic[i])),
                *(profile[list(part), i].mean().item() for part in quarters),
            ],
        )
        for i in [*found, *below]
    ],
    "information on the position, variance explained by it, and mean activation by position",
)

# %%
chosen = [*found[:2], *below[:2]]
show_texts(
    chosen,
    [heading(i) for i in chosen],
    feature if shape == "band" else None,
    top_texts=2,
    before=length,
    after=length,
)

# %% [cells of] cells/ablation.py

# %% [markdown]
# For a rising or falling neuron, the mean is furthest off in the first and the last quarter of the text: there it
# should be missed. For a range, it is the range itself.

# %%
used_where = feature if shape == "band" else (position < length // 4) | (position >= length - length // 4)

# %% [cells of] cells/finding.py
