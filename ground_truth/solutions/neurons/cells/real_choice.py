"""Shared cells: the best neurons for the features asked for, how sure that is, and how it looks.

They need the cells of `real_scan.py`, and `asked` (rows of `features` that are asked for) and `count` (neurons for
each). They leave `chosen` (columns for each row asked), `listed` (all of them), `own` (mean RVE of such a choice on the
half that chose), `worth` (on the other half) and `noise`.
"""

# %% [markdown]
# ## The best neurons, and would other text choose the same?
#
# The best of 46,080 are partly the luckiest. So I choose with one half of the texts and measure on the other: the
# difference to what they have on their own half is luck. How far accident goes where there is no relation is known: the
# squared correlation of unrelated numbers, times the number of positions, is about chi-squared distributed.

# %%
import matplotlib.pyplot as plt
import numpy as np

chosen = [explained[row].topk(count).indices.tolist() for row in asked]
listed = sorted({column for columns in chosen for column in columns})
best = [[half[row].topk(count).indices.tolist() for half in halves] for row in asked]
own = float(np.mean([halves[h][row, best[i][h]].mean().item() for i, row in enumerate(asked) for h in (0, 1)]))
worth = float(np.mean([halves[1 - h][row, best[i][h]].mean().item() for i, row in enumerate(asked) for h in (0, 1)]))
same = np.mean([len({*first} & {*second}) / count for first, second in best])
print(f"chosen and measured on the same half: mean RVE {own:.3f}; measured on the other: {worth:.3f}")
print(f"of the {count} best neurons of one half, {same:.0%} are among the best of the other")
noise = 2 * np.log(len(names)) / everything["n"]  # the largest of so many squared correlations of unrelated numbers
print(f"the best of {len(names)} unrelated neurons would have about {noise:.4f}")
for row, columns in zip(asked, chosen, strict=True):
    for column in explained[row].topk(count + 3).indices.tolist():
        mark = "submitted" if column in columns else ""
        on = everything["fa"][row, column] / everything["f"][row]
        off = (everything["a"][column] - everything["fa"][row, column]) / (everything["n"] - everything["f"][row])
        print(
            f"{labels[row]:>18} {names[column]:>9}: RVE {explained[row, column]:.3f} "
            f"({halves[0][row, column]:.3f} and {halves[1][row, column]:.3f} on the halves), "
            f"mean {on:.2f} with it, {off:.2f} without {mark}"
        )

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 3.6))
for row, columns in zip(asked, chosen, strict=True):
    values = explained[row].sort(descending=True).values
    axes[0].plot(np.arange(1, len(values) + 1), values.clamp_min(1e-5).numpy(), label=labels[row])
    axes[1].scatter(halves[0][row].numpy(), halves[1][row].numpy(), s=2, color="lightgrey")
    axes[1].scatter(halves[0][row, columns].numpy(), halves[1][row, columns].numpy(), s=18, label=labels[row])
axes[0].axhline(noise, color="black", linewidth=1, linestyle=":", label="best by accident")
axes[0].axvline(count + 0.5, color="black", linewidth=0.5)
axes[0].set(
    xscale="log", yscale="log", xlabel="rank", ylabel="variance explained", title="all neurons with positive sign"
)
axes[1].set(xlabel="signed RVE, even texts", ylabel="signed RVE, odd texts", title="submitted neurons in colour")
axes[0].legend(fontsize=7)
axes[1].legend(fontsize=7)
figure.tight_layout()
plt.show()

figure, axes = plt.subplots(figsize=(8, 2.4))
by_layer = explained[asked].max(0).values.view(n_layers, width).max(1).values.numpy()
axes.bar(range(n_layers), by_layer, color="lightgrey", label="best neuron of the layer")
axes.bar(
    range(n_layers),
    [sum(column // width == layer for column in listed) * 0.01 for layer in range(n_layers)],
    color="tab:red",
    label="submitted neurons (0.01 each)",
)
axes.set(xlabel="layer", ylabel="variance explained", title="where in the model")
axes.legend(fontsize=7)
figure.tight_layout()
plt.show()
