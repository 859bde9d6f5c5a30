"""Shared cells: one pass over the texts with running sums, for neurons of a real model.

They need `features` (Float[feature, text, position]: what the activations are compared with; only positions from 1 on
count) and `labels` (their names). They leave `sums`, `names`, `signed_rve`, `explained` (Float[feature, neuron] on all
texts) and `halves` (the same on every other text).
"""

# %% [markdown]
# ## One pass, sums instead of activations
#
# The definition compares the variance of an activation with what is left of it where the feature is known. The
# difference is q0 q1 (mean(a | f=1) - mean(a | f=0))², so the variance explained (RVE; Gurnee et al. 2024, arXiv
# 2401.12181) is the squared correlation of activation and feature. That takes five sums: of a, a², f, f² and a f. They
# are kept for even and odd texts apart, so that one half can choose neurons and the other say what they are worth.
# The start token is left out, as the question says. The pass is cut into cells, each a fraction of the time limit.

# %%
import time

n_texts, length = tokens.shape
n_layers, width = model.cfg.n_layers, model.cfg.d_mlp
names = [f"L{layer}.N{neuron}" for layer in range(n_layers) for neuron in range(width)]
sums = [
    {"n": 0.0, "a": torch.zeros(len(names)).double(), "aa": torch.zeros(len(names)).double(),
     "f": torch.zeros(len(features)).double(), "ff": torch.zeros(len(features)).double(),
     "fa": torch.zeros(len(features), len(names)).double()}
    for half in range(2)
]  # fmt: skip


def adder(total, layer, here):
    """A hook that adds one layer's activations to the sums."""
    place = slice(layer * width, (layer + 1) * width)

    def add(activation, hook):  # noqa: ARG001 - the argument's name is TransformerLens'
        values = activation[:, 1:].flatten(0, 1)
        total["a"][place] += values.sum(0, dtype=torch.float64).cpu()
        total["aa"][place] += values.square().sum(0, dtype=torch.float64).cpu()
        total["fa"][:, place] += (here @ values).double().cpu()

    return add


def add_texts(rows):
    """Add some texts to the sums of their half."""
    for half in range(2):
        chosen = [row for row in rows if row % 2 == half]
        here = features[:, chosen, 1:].flatten(1).float()
        total = sums[half]
        hooks = [(f"blocks.{layer}.mlp.hook_post", adder(total, layer, here.to(device))) for layer in range(n_layers)]
        with torch.inference_mode():
            # without the unembedding, a sixth of the work
            model.run_with_hooks(tokens[chosen].to(device), return_type=None, stop_at_layer=n_layers, fwd_hooks=hooks)
        total["n"] += here.shape[1]
        total["f"] += here.double().sum(1)
        total["ff"] += here.double().square().sum(1)


def scan(first, last, at_once=16):
    """Add the texts from the share `first` to the share `last` of all."""
    started = time.perf_counter()
    chosen = range(round(first * n_texts), round(last * n_texts))
    for start in range(chosen.start, chosen.stop, at_once):
        add_texts(range(start, min(start + at_once, chosen.stop)))
    seconds = time.perf_counter() - started
    print(f"texts {chosen.start} to {chosen.stop - 1}: {seconds:.0f} s, {len(chosen) * length / seconds:.0f} tokens/s")


scan(0, 1 / 4)

# %%
scan(1 / 4, 1 / 2)

# %%
scan(1 / 2, 3 / 4)

# %%
scan(3 / 4, 1)


# %%
def signed_rve(total):
    """Variance explained, Float[feature, neuron], negative where the neuron is less active with the feature."""
    n = total["n"]
    covariance = total["fa"] / n - total["f"][:, None] / n * total["a"] / n
    scale = (total["ff"] / n - (total["f"] / n).square())[:, None] * (total["aa"] / n - (total["a"] / n).square())
    return torch.where(scale > 0, covariance * covariance.abs() / scale, 0.0)


halves = [signed_rve(total) for total in sums]
everything = {key: sums[0][key] + sums[1][key] for key in sums[0]}
explained = signed_rve(everything)
print(f"{len(names)} neurons, {len(features)} features, {everything['n']:.0f} positions")
