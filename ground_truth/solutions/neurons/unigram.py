"""Reference solution of neurons/unigram: variance explained by the word, against an untrained twin."""

# %% [markdown]
# # Neurons that fire on one word
#
# For every neuron I measure how much of the variance of its activation over the text is explained by "the current token
# is some variant of the word" (RVE, Gurnee et al. 2024). Rare features fool such scans: among hundreds of neurons the
# best one always explains something. So I take the same statistic on an untrained model of the same shape as a null,
# and look for a gap above it.

# %%
import html

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML, display

variant_ids = torch.tensor([i for i, string in enumerate(vocabulary) if string.strip().lower() == word])
is_word = torch.isin(tokens, variant_ids)
print("variants:", [vocabulary[i] for i in variant_ids.tolist()])
print(f"{is_word.sum()} of {is_word.numel()} tokens, {is_word.float().mean():.2%}")


# %%
@torch.no_grad()
def activations_of(network):
    """Post-GELU activations, Float[positions, layers * d_mlp]."""
    parts = []
    for rows in tokens.split(100):
        _, cache = network.run_with_cache(
            rows, return_type=None, names_filter=lambda name: name.endswith("mlp.hook_post")
        )
        layers = [cache["post", layer] for layer in range(network.cfg.n_layers)]
        parts.append(torch.cat([layer.flatten(0, 1) for layer in layers], dim=1))
    return torch.cat(parts)


def explained(activations, feature):
    """1 - [q0 Var(a|f=0) + q1 Var(a|f=1)] / Var(a) for every column."""
    feature = feature.flatten()
    q = feature.float().mean()
    within = (1 - q) * activations[~feature].var(0, correction=0) + q * activations[feature].var(0, correction=0)
    return 1 - within / activations.var(0, correction=0).clamp_min(1e-12)


activations = activations_of(model)
rve = explained(activations, is_word)
names = [f"L{layer}.N{neuron}" for layer in range(model.cfg.n_layers) for neuron in range(model.cfg.d_mlp)]
order = rve.argsort(descending=True).tolist()
for i in order[:12]:
    print(f"{names[i]:9s} RVE {rve[i]:.3f}")

# %% [markdown]
# ## The null: the best neuron of untrained models
#
# Same shape, random weights, same text, same word.

# %%
null_best = []
for seed in range(2):
    torch.manual_seed(seed)
    twin = HookedTransformer(config)
    null_best.append(explained(activations_of(twin), is_word).max().item())
print("best of all neurons, untrained:", np.round(null_best, 3))

# %% [markdown]
# ## Threshold
#
# A neuron of the word has clearly more than the null's best, and stands above the widest gap in the ranking: no single
# number is right for every word, because a frequent word explains more by accident.

# %%
ranked = rve[order].numpy()
floor = max(0.3, 1.5 * max(null_best))
candidates = [i for i in range(len(ranked) - 1) if ranked[i] > floor]
gaps = ranked[:-1] - ranked[1:]
cut = max(candidates, key=lambda i: gaps[i]) if candidates else -1
threshold = (ranked[cut] + ranked[cut + 1]) / 2 if candidates else 1.0
found = order[: cut + 1]
print(f"threshold {threshold:.3f}: {len(found)} neurons")

plt.figure(figsize=(6, 3))
plt.bar(range(20), ranked[:20], color=["tab:red" if i <= cut else "tab:grey" for i in range(20)])
plt.axhline(threshold, color="black", lw=0.8, label="threshold")
plt.axhline(max(null_best), color="black", lw=0.8, ls=":", label="best untrained neuron")
plt.xticks(range(20), [names[i] for i in order[:20]], rotation=90, fontsize=7)
plt.ylabel(f'RVE with "{word}"')
plt.legend()
plt.tight_layout()
plt.show()

# %% [markdown]
# ## What they and the runners-up respond to
#
# The mean activation on each variant, and on all other tokens. A neuron of the word is high in every column but the
# last; a near miss misses a variant, or a part of the occurrences, or fires on other words too.

# %%
flat = tokens.flatten()
header = "".join(f"{vocabulary[i]!r:>14s}" for i in variant_ids.tolist())
print(f"{'':9s}{header}{'silent on word':>16s}{'elsewhere':>11s}")
for i in order[: len(found) + 4]:
    values = activations[:, i]
    on_word, elsewhere = values[is_word.flatten()], values[~is_word.flatten()]
    means = "".join(f"{values[flat == token].mean():14.2f}" for token in variant_ids.tolist())
    silent = (on_word < 0.3 * on_word.max()).float().mean()
    print(f"{names[i]:9s}{means}{silent:16.0%}{elsewhere.mean():11.3f}")


# %%
def coloured(rows, column):
    """Texts with a background that is as red as the neuron is active."""
    width = tokens.shape[1]
    top = activations[:, column].max().clamp_min(1e-6)
    lines = []
    for row in rows:
        strengths = (activations[row * width : (row + 1) * width, column] / top).clamp(0, 1).tolist()
        lines.append(
            "".join(
                f'<span style="background:rgba(255,0,0,{strength:.2f})">{html.escape(vocabulary[token])}</span>'
                for token, strength in zip(tokens[row].tolist(), strengths, strict=True)
            ).replace("\n", "<br>")
        )
    return "<hr>".join(lines)


rows = is_word.any(1).nonzero().flatten()[:3].tolist()
for i in [*found[:1], *order[len(found) : len(found) + 1]]:
    display(HTML(f"<b>{names[i]}</b> (RVE {rve[i]:.2f})<br>{coloured(rows, i)}"))

# %% [markdown]
# ## Reading
#
# The neurons above the gap fire on every variant of the word and on nearly nothing else, and the word alone explains
# most of their variance. The ones right below it see only a part of the word's occurrences, or other words too.
# Untrained neurons stay far below.

# %%
answer = {
    "neurons": [names[i] for i in found],
    "confidence": 0.95 if found and ranked[cut] > 0.5 else 0.5,
    "nothing_found": not found,
    "summary": (
        f"RVE of every neuron with the merged variants of {word!r}: the submitted ones reach at least "
        f"{ranked[cut] if found else 0:.2f}, the next one {ranked[cut + 1]:.2f}, the best of an untrained model "
        f"{max(null_best):.2f}."
    ),
}
print(answer)
