"""Shared cells for laboratories: read a few texts in two batches, and test every neuron with every feature.

They need the cells of `lab_sampling.py`, `BAR` and `ALLOWANCE`. They leave `names` (of the neurons) and `results`: name
of a feature -> (rve, z), each Float[neuron].
"""

# %% [markdown]
# ## What a neuron does, from few and noisy readings
#
# The noise of a reading has a stated size: its variance is known, and can be taken off the variance of readings.
# Variance explained has two parts.
#
# - The mean difference between positions with and without the feature. Its error is small, and with a correction for
#   all neurons and features that are tested (Bonferroni) it says which neurons respond to the feature at all.
# - What still varies within both sides. A neuron that responds to a part of the feature, or to other things as well,
#   differs from one that responds to just the feature only here. The plain variance has a large error under noise.
#   Means of positions that have something in common (the token, the token before, the place in the text) have less
#   noise, so how much these means vary shows sooner that a neuron does something else. Each of them is a lower bound of
#   the variance; the largest one counts, each less a part of its standard error.

# %%
import math

n_layers, width = lab.shape["n_layers"], lab.shape["d_mlp"]
names = [f"L{layer}.N{neuron}" for layer in range(n_layers) for neuron in range(width)]
noise_share = lab.terms["read_noise"] ** 2 / (1 + lab.terms["read_noise"] ** 2)  # of the mean square of a reading
sites_per_run = min(lab.terms["sites_per_run"] or n_layers, n_layers)
FALSE_ALARMS = 0.0005  # expected number in all tests together
tests = len(names) * len(features)
critical = -torch.special.ndtri(torch.tensor(FALSE_ALARMS / tests, dtype=torch.float64)).item()


def variance_of_means(values, groups, noise):
    """How much the means of groups vary, less what noise makes of it, and the standard error; Float[neuron] each."""
    _, number, sizes = groups.unique(return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        return torch.zeros_like(noise), noise
    sums = torch.zeros(len(sizes), values.shape[1]).index_add_(0, number, values)
    spread = (sums.square() / sizes[:, None]).sum(0) - len(values) * values.mean(0).square()
    free = len(sizes) - 1
    return (spread - free * noise) / len(values), noise * math.sqrt(2 * free) / len(values)


def surely_varies(values, groupings, noise, allowance):
    """A lower bound of the variance that is not noise, Float[neuron]."""
    every = torch.arange(len(values))
    found = [variance_of_means(values, groups, noise) for groups in [every, *groupings]]
    return torch.stack([variance - allowance * error for variance, error in found]).amax(0).clamp_min(0)


def explained(values, feature, share, direction, groupings, noise, allowance):
    """Variance explained at most, and how many standard errors the response is away from none; Float[neuron] each.

    Args:
        values: Readings, Float[position, neuron].
        feature: Of the same positions.
        share: Of all positions, those at which the feature holds.
        direction: As in `features`.
        groupings: What positions have in common, Long[position] each.
        noise: Variance of the noise on each neuron.
        allowance: As `ALLOWANCE`.
    """
    if feature.dtype == torch.bool:
        on, off = values[feature], values[~feature]
        if min(len(on), len(off)) < 2:
            return torch.zeros_like(noise), torch.zeros_like(noise)
        response = on.mean(0) - off.mean(0)
        error = (torch.maximum(on.var(0), noise) / len(on) + torch.maximum(off.var(0), noise) / len(off)).sqrt()
        scale = share * (1 - share)
        rest = share * surely_varies(on, [groups[feature] for groups in groupings], noise, allowance)
        rest += (1 - share) * surely_varies(off, [groups[~feature] for groups in groupings], noise, allowance)
    else:
        centred = feature - feature.mean()
        response = (values * centred[:, None]).sum(0) / centred.square().sum()
        error = (values.var(0) / centred.square().sum()).sqrt()
        scale = centred.square().mean()
        residual = values - values.mean(0) - centred[:, None] * response
        rest = surely_varies(residual, groupings, noise, allowance)
    known = scale * (response.square() - error.square()).clamp_min(0)
    rve = response.sign() * known / (known + rest).clamp_min(1e-12)
    return (rve.abs(), (response / error).abs()) if direction == 0 else (direction * rve, direction * response / error)


# %% [markdown]
# ## Reading, in two batches
#
# Half of the budget goes to all layers. The other half is for the layers that still have a neuron whose response is in
# doubt: too weak to be sure of, or sure but near the bar.


# %%
readings = {layer: [] for layer in range(n_layers)}  # of each layer: (texts, Float[position, neuron], noise variance)


def read_layers(layers, texts):
    """Read some layers on some texts, as many in one run as it may give."""
    for start in range(0, len(layers), sites_per_run):
        some = layers[start : start + sites_per_run]
        run = lab.run(tokens[texts], read=[f"neurons.{layer}" for layer in some])
        for layer in some:
            values = run[f"neurons.{layer}"].flatten(0, 1)
            readings[layer].append((texts, values, noise_share * values.square().mean()))


def layer_results(layer, name, allowance=ALLOWANCE):
    """(rve, z) of one layer's neurons for one feature, from all that was read there."""
    texts = [text for some, _, _ in readings[layer] for text in some]
    values = torch.cat([found for _, found, _ in readings[layer]])
    noise = sum(len(some) * size for some, _, size in readings[layer]) / len(texts)
    feature, _, direction = features[name]
    share = feature.float().mean().item()
    groupings = [tokens[texts].flatten(), previous[texts].flatten(), position[texts].flatten() // 4]
    return explained(values, feature[texts].flatten(), share, direction, groupings, noise.expand(width), allowance)


def in_doubt(layer):
    """Whether more texts may change what is said of a layer."""
    for name in features:
        rve, z = layer_results(layer, name)
        if ((z > critical / 2) & (rve > BAR / 2)).any():
            return True
    return False


def all_layers(name, allowance=ALLOWANCE):
    """(rve, z) of all neurons for one feature."""
    return tuple(
        torch.cat(parts) for parts in zip(*(layer_results(i, name, allowance) for i in range(n_layers)), strict=True)
    )


def price_of(layers):
    """What a text costs."""
    return math.ceil(len(layers) / sites_per_run)


everywhere = list(range(n_layers))
in_all = max(1, math.ceil(lab.budget.left / 2) // price_of(everywhere))
in_all = min(in_all, len(text_order), lab.budget.left // price_of(everywhere))
read_layers(everywhere, text_order[:in_all])
doubtful = [layer for layer in everywhere if in_doubt(layer)] or everywhere
if (more := min(lab.budget.left // price_of(doubtful), len(text_order) - in_all)) > 0:
    read_layers(doubtful, text_order[in_all : in_all + more])
results = {name: all_layers(name) for name in features}
print(f"{in_all} texts in all layers, {more} more in layers {doubtful}; {lab.budget}")
print(f"{tests} tests; a response counts from {critical:.2f} standard errors on")
