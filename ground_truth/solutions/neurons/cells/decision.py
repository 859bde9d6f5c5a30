"""Shared cells: which neurons reach the bar, by the definition that the question gives.

They need the cells of `scan.py` and `show.py` and the names `feature` (of the shape of `tokens`, true or false, or a
number), `what` (it in words), `direction` (1 more active, -1 less active, 0 either) and `BAR`. They leave `statistic`,
`order`, `found`, `below` (the runners-up), `errors`, `null_best`, `turned_sign` and `heading`.
"""

# %% [markdown]
# ## Which neurons reach the bar?
#
# The question gives the definition: variance explained at or above the bar, with the right sign. The bars of the figure
# have standard errors (jackknife over blocks of texts), since other text would give slightly other numbers.

# %%
import matplotlib.pyplot as plt

SHOWN = 20


def turn(signed):
    """Signed RVE as what is compared with the bar."""
    return signed.abs() if direction == 0 else direction * signed


signed = signed_rve(activations, feature)[:, 0]
statistic = turn(signed)
order = statistic.argsort(descending=True).tolist()
found = [i for i in order if statistic[i] >= BAR]
below = order[len(found) : len(found) + 4]
listed = order[: max(SHOWN, len(found) + 6)]
errors = {i: rve_error(i, feature) for i in listed}
null_best = best_untrained(feature, turn)


def turned_sign(column):
    """1 if the neuron is more active where the feature is larger, else -1."""
    return direction or (1 if signed[column] >= 0 else -1)


def heading(column):
    """A neuron's name, its number and what becomes of it."""
    return f"{names[column]}: RVE {statistic[column]:z.3f}, {'submitted' if column in found else 'not submitted'}"


if feature.dtype == torch.bool:  # the definition word by word, on one neuron
    a, f = activations[:, order[0]].double(), feature.flatten()
    q = f.double().mean()
    literal = 1 - ((1 - q) * a[~f].var(correction=0) + q * a[f].var(correction=0)) / a.var(correction=0)
    print(f"{names[order[0]]}: {literal:.4f} by the definition, {statistic[order[0]]:.4f} as squared correlation")

figure, axes = plt.subplots(figsize=(8, 3))
axes.bar(
    range(len(listed)),
    statistic[listed].tolist(),
    yerr=[errors[i] for i in listed],
    color=["tab:red" if i in found else "lightgrey" for i in listed],
    ecolor="black",
)
axes.axhline(BAR, color="black", linewidth=1, label=f"bar ({BAR})")
axes.axhline(max(null_best), color="black", linewidth=1, linestyle=":", label="best untrained neuron")
axes.set_xticks(range(len(listed)), [names[i] for i in listed], rotation=90, fontsize=7)
axes.set(ylabel="variance explained", title=f"{what}: submitted neurons are red")
axes.legend()
figure.tight_layout()
plt.show()
print("best of all neurons of an untrained model:", ", ".join(f"{value:.3f}" for value in null_best))


# %% [markdown]
# ## What do the runners-up miss?
#
# A neuron counts as active here beyond the middle between its usual (median) and its strongest activation; one that
# falls silent on the feature counts as "active" where it is silent. A runner-up misses a part of the feature, or is
# active elsewhere too.


# %%
def agreement(column):
    """Share of the feature that the neuron is active on, and share of the neuron's active positions that are of it."""
    strength = turned_sign(column) * activations[:, column]
    active = strength > (strength.median() + strength.kthvalue(int(0.999 * len(strength))).values) / 2
    here = feature.flatten()
    return (active & here).sum() / here.sum().clamp_min(1), (active & here).sum() / active.sum().clamp_min(1)


if feature.dtype == torch.bool:
    agreements = {i: tuple(share.item() for share in agreement(i)) for i in [*found, *below]}
    flat = feature.flatten()
    table(
        ["RVE", "± error", "mean with", "mean without", "active on", "of its activity"],
        [
            (
                names[i] + (" (submitted)" if i in found else ""),
                [
                    f"{statistic[i]:z.3f}",
                    f"{errors[i]:.3f}",
                    activations[flat, i].mean().item(),
                    activations[~flat, i].mean().item(),
                    *(f"{share:.0%}" for share in agreements[i]),
                ],
            )
            for i in [*found, *below]
        ],
        f"{what}: activation with and without it; share of the positions with it on which a neuron is "
        "active; share of the positions where the neuron is active that have it",
    )
