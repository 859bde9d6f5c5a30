"""Reference solution of neurons/alphabet: variance explained by each letter, for every neuron."""

# %% [markdown]
# # Which neuron fires on the tokens that start with each letter?
#
# For every neuron and every letter I measure how much of the variance of the activation "the current token starts with
# this letter" explains. A letter gets its best neuron if that one reaches the bar and is more active on the letter, and
# nothing otherwise.

# %% [cells of] cells/scan.py

# %% [cells of] cells/show.py

# %%
from string import ascii_lowercase

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown, display

BAR = question["bar"]
letters = question["letters"]
initials = [string.strip().lower()[:1] for string in vocabulary]  # marks such as "<doc>" start with no letter
number_of = {letter: number for number, letter in enumerate(ascii_lowercase)}
initial_of = torch.tensor([number_of.get(initial, len(number_of)) for initial in initials])
initial = initial_of[tokens]  # Int[texts, positions]; 26 where there is no letter
features = torch.stack([initial == number_of[letter] for letter in letters], dim=2)
shares = features.float().mean((0, 1)).tolist()
print("share of tokens:", ", ".join(f"{letter} {share:.2%}" for letter, share in zip(letters, shares, strict=True)))

# %% [markdown]
# ## The best neuron of each letter

# %%
PER_LETTER = 3
rve = signed_rve(activations, features.flatten(0, 1))
null_best = [best_untrained(features[..., k], lambda signed: signed[:, 0]) for k in range(len(letters))]
ranking = {letter: rve[:, k].argsort(descending=True)[:6].tolist() for k, letter in enumerate(letters)}
best = {letter: ranking[letter][0] for letter in letters}
value = {letter: [rve[i, k].item() for i in ranking[letter]] for k, letter in enumerate(letters)}
error = {letter: [rve_error(i, features[..., k]) for i in ranking[letter]] for k, letter in enumerate(letters)}
chosen = {letter: best[letter] if value[letter][0] >= BAR else None for letter in letters}
for k, letter in enumerate(letters):
    shown = ", ".join(
        f"{names[i]} {v:z.3f} ± {e:.3f}" for i, v, e in zip(ranking[letter], value[letter], error[letter], strict=True)
    )
    print(f"{letter}: {shown}; untrained {max(null_best[k]):.3f}")

figure, axes = plt.subplots(figsize=(9, 3))
start = 0
for letter in letters:
    spots = range(start, start + len(ranking[letter]))
    colours = [
        "tab:red" if i == chosen[letter] else "lightcoral" if v >= BAR else "lightgrey"
        for i, v in zip(ranking[letter], value[letter], strict=True)
    ]
    axes.bar(spots, value[letter], yerr=error[letter], color=colours, ecolor="black")
    axes.text(start, max(value[letter]) + 0.05, f'"{letter}"', fontsize=10)
    start = spots[-1] + 2
ticks = [start for start, _ in ((patch.get_x() + patch.get_width() / 2, patch) for patch in axes.patches)]
axes.set_xticks(ticks, [names[i] for letter in letters for i in ranking[letter]], rotation=90, fontsize=7)
axes.axhline(BAR, color="black", linewidth=1, label=f"bar ({BAR})")
axes.axhline(np.max(null_best), color="black", linewidth=1, linestyle=":", label="best untrained neuron")
axes.set(
    ylabel="variance explained", title="the best neurons of each letter; red: submitted; pale: as right", ylim=(0, 1.25)
)
axes.legend(loc="upper right", fontsize=7, ncol=2)
figure.tight_layout()
plt.show()

# %% [markdown]
# ## One letter, or several?
#
# Left: variance explained by each letter of the question. Right: mean activation by first letter, as a share of the
# neuron's highest; `-` are marks without a letter. A neuron that fires on several letters has several dark cells on the
# right. One that fires on a part of the tokens of a letter has one, but a low share of them below.

# %%
candidates = list(dict.fromkeys(i for letter in letters for i in ranking[letter][:PER_LETTER]))
sums = torch.zeros(27, len(candidates)).index_add_(0, initial.flatten(), activations[:, candidates])
mean_by_letter = (sums / torch.bincount(initial.flatten(), minlength=27).clamp_min(1)[:, None]).T.clamp_min(0)
mean_by_letter = mean_by_letter / mean_by_letter.max(1, keepdim=True).values.clamp_min(1e-6)
submitted = {neuron: letter for letter, neuron in chosen.items() if neuron is not None}
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 1.2 + 0.22 * len(candidates)), width_ratios=[1, 3], sharey=True)
image = left.imshow(rve[candidates], cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
figure.colorbar(image, ax=left, label="signed RVE")
left.set_xticks(range(len(letters)), letters)
left.set_yticks(
    range(len(candidates)),
    [f"{names[i]} {submitted[i]!r}" if i in submitted else names[i] for i in candidates],
    fontsize=7,
)
left.set_title("variance explained", fontsize=9)
image = right.imshow(mean_by_letter, cmap="Reds", vmin=0, vmax=1, aspect="auto")
figure.colorbar(image, ax=right, label="share of highest mean")
right.set_xticks(range(27), [*ascii_lowercase, "-"])
right.set_title("mean activation by first letter", fontsize=9)
figure.tight_layout()
plt.show()


# %%
def part_of(column, k):
    """Share of the letter's tokens that the neuron is active on (beyond half of its strongest), and the reverse."""
    values, here = activations[:, column], features[..., k].flatten()
    active = values > values.kthvalue(int(0.999 * len(values))).values / 2
    return (active & here).sum().item() / here.sum().item(), (active & here).sum().item() / max(active.sum().item(), 1)


def example_words(column, k, active):
    """Frequent tokens of a letter with the highest, or lowest, mean activation."""
    here = features[..., k].flatten()
    ids, values = tokens.flatten()[here], activations[here, column]
    count = torch.bincount(ids, minlength=len(vocabulary))
    mean = torch.zeros(len(vocabulary)).index_add_(0, ids, values) / count.clamp_min(1)
    usual = (count >= min(10, count.max())).nonzero().flatten()
    order = mean[usual].argsort(descending=active)[:3].tolist()
    return ", ".join(f"{vocabulary[usual[i]]!r} {mean[usual[i]]:z.2f}" for i in order)


rows = []
for k, letter in enumerate(letters):
    for i in ranking[letter][:PER_LETTER]:
        of_letter, of_activity = part_of(i, k)
        label = f"{letter}: {names[i]}" + (" (submitted)" if chosen[letter] == i else "")
        words = [example_words(i, k, active) for active in (True, False)]
        rows.append((label, [f"{rve[i, k]:z.2f}", f"{of_letter:.0%}", f"{of_activity:.0%}", *words]))
table(
    ["RVE", "of the letter", "of its activity", "most active on", "least active on"],
    rows,
    "share of the letter's tokens that a neuron is active on, share of its active positions that are of the letter, "
    "and frequent tokens of the letter",
)

# %% [markdown]
# ## In text
#
# For each letter the submitted neuron, or where there is none the best one below the bar. Tokens with the letter are
# underlined.

# %%
for k, letter in enumerate(letters):
    i = best[letter]
    fate = "submitted" if chosen[letter] == i else "below the bar"
    show_texts([i], [f'"{letter}", {names[i]}: RVE {rve[i, k]:.3f}, {fate}'], features[..., k], top_texts=2)
below = {
    letter: next(
        (i for i, v in zip(ranking[letter], value[letter], strict=True) if v < BAR and i != best[letter]), None
    )
    for letter in letters
}
k, i = max(
    ((k, below[letter]) for k, letter in enumerate(letters) if below[letter] is not None),
    key=lambda pair: rve[pair[1], pair[0]],
)
show_texts(
    [i], [f'the runner-up closest to the bar: "{letters[k]}", {names[i]}: RVE {rve[i, k]:.3f}'], features[..., k]
)

# %% [cells of] cells/ablation.py

# %%
rises = {}
for k, letter in enumerate(letters):
    if chosen[letter] is not None:
        rises[letter] = (
            *loss_rise([chosen[letter]], features[..., k]),
            random_rise([chosen[letter]], features[..., k]),
        )
table(
    ["on the letter", "± error", "elsewhere", "a random neuron, on the letter"],
    [
        (f"{letter}: {names[chosen[letter]]}", [*(f"{number:z.3f}" for number in four)])
        for letter, four in rises.items()
    ],
    f"rise of the next-token loss ({intact.mean():.3f}) with the neuron held at its mean, nats per token",
)

# %% [markdown]
# ## What was found
#
# The confidence is the chance that no letter's best neuron would change sides of the bar on other text, taking the
# standard errors as those of normal distributions, times 0.98 for all that they can't know.

# %%
sure = {
    letter: torch.special.ndtr(torch.tensor(abs(value[letter][0] - BAR) / max(error[letter][0], 1e-4))).item()
    for letter in letters
}
lines = [
    f'- "{letter}": '
    + (
        f"`{names[chosen[letter]]}` ({value[letter][0]:.2f} ± {error[letter][0]:.2f}); without it the loss rises by "
        f"{rises[letter][0]:z.3f} ± {rises[letter][1]:.3f} nats on the letter and {rises[letter][2]:z.3f} elsewhere"
        if chosen[letter] is not None
        else f"none; the best, `{names[best[letter]]}`, explains {value[letter][0]:.2f} ± {error[letter][0]:.2f}: "
        f"it is active on {part_of(best[letter], k)[0]:.0%} of the letter's tokens, and "
        f"{part_of(best[letter], k)[1]:.0%} of the tokens where it is active start with it"
    )
    for k, letter in enumerate(letters)
]
display(Markdown("\n".join([*lines, "", f"The best neuron of an untrained model explains {np.max(null_best):.2f}."])))
answer = {
    "neurons": {letter: None if neuron is None else names[neuron] for letter, neuron in chosen.items()},
    "confidence": round(0.98 * float(np.prod(list(sure.values()))), 3),
    "summary": (
        "Variance explained by each letter for every neuron. "
        + "; ".join(f"{letter}: best {names[best[letter]]} {value[letter][0]:.2f}" for letter in letters)
        + f". At or above {BAR} it is submitted. The best neuron of an untrained model reaches {np.max(null_best):.2f}."
    ),
}
