"""Shared cells: the activation of every MLP neuron on the texts, and how much of it a feature explains.

They leave `activations` (Float[positions of all texts, neuron]), `names` (of the neurons), `position` (of the shape of
`tokens`), `twins` (the same activations of untrained models on the first `TWIN_TEXTS` texts), and the functions
`signed_rve`, `best_untrained` and `rve_error`.
"""

# %% [markdown]
# ## The activation of every neuron, and what a feature explains of it
#
# The definition compares the variance of an activation with what is left of it where the feature is known. The
# difference, Var(a) - [q0 Var(a | f=0) + q1 Var(a | f=1)], is q0 q1 (mean(a | f=1) - mean(a | f=0))². So the variance
# explained (RVE; Gurnee et al. 2024, arXiv 2401.12181) is the squared correlation of activation and feature. That is
# defined for features with more than two values as well, and is one matrix product for all neurons. The sign says
# whether the neuron is more active where the feature is larger.
#
# Rare features are explained a little by accident, and some neuron of a thousand is always the best. Models of the same
# shape with random weights show how far accident goes.

# %%
n_texts, length = tokens.shape
n_layers, width = model.cfg.n_layers, model.cfg.d_mlp
names = [f"L{layer}.N{neuron}" for layer in range(n_layers) for neuron in range(width)]
position = torch.arange(length).expand(n_texts, length)
TWIN_TEXTS = min(n_texts, 200)


@torch.no_grad()
def activations_of(network, rows, at_once=100):
    """Activations after the nonlinearity, Float[positions of all rows, neuron], in the order of `names`."""
    found = torch.empty(rows.numel(), len(names))
    for start in range(0, len(rows), at_once):
        part = rows[start : start + at_once]
        _, cache = network.run_with_cache(part, return_type=None, names_filter=lambda name: name.endswith("hook_post"))
        for layer in range(n_layers):
            there = slice(start * length, start * length + part.numel())
            found[there, layer * width : (layer + 1) * width] = cache["post", layer].flatten(0, 1)
    return found


def signed_rve(values, features):
    """Variance of each column of `values` explained by each feature, Float[neuron, feature], -1 to 1.

    `features` is Float[positions, feature], or one feature of the shape of `tokens`.
    """
    features = features.reshape(len(values), -1).float()
    features = features - features.mean(0)
    parts = []
    for chunk in values.split(width, dim=1):  # a centred copy of all neurons at once would double the memory
        centred = chunk - chunk.mean(0)
        scale = centred.square().sum(0)[:, None] * features.square().sum(0)
        covariance = centred.T @ features
        parts.append(torch.where(scale > 0, covariance * covariance.abs() / scale, 0.0))
    return torch.cat(parts)


def rve_error(column, feature, blocks=20):
    """Standard error of one neuron's RVE: jackknife over blocks of texts."""
    a, f = activations[:, column].double().split(len(activations) // blocks), feature.flatten().double()
    f = f.split(len(activations) // blocks)
    sums = torch.stack(
        [
            torch.stack([torch.ones_like(x).sum(), x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum()])
            for x, y in zip(a, f, strict=True)
        ]
    )
    n, x, y, xx, yy, xy = (sums.sum(0) - sums).T
    left_out = (xy - x * y / n).square() / ((xx - x * x / n) * (yy - y * y / n)).clamp_min(1e-12)
    k = len(sums)
    return ((k - 1) / k * (left_out - left_out.mean()).square().sum()).sqrt().item()


def untrained(seed):
    """The activations of a model of the same shape with random weights, on the first texts."""
    torch.manual_seed(seed)
    return activations_of(HookedTransformer(config), tokens[:TWIN_TEXTS])


def best_untrained(feature, turn):
    """The best neuron of every untrained model; `turn` makes its signed RVE into what is compared with the bar."""
    return [turn(signed_rve(twin, feature[:TWIN_TEXTS])).max().item() for twin in twins]


activations = activations_of(model, tokens)
twins = [untrained(seed) for seed in (0, 1)]
print(f"{activations.shape[1]} neurons at {activations.shape[0]} positions; untrained models at {twins[0].shape[0]}")
