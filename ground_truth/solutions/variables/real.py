"""Reference solution of the variables tasks on a real model: exchanges by layer, components, a search by gradient."""

# %% [markdown]
# # Is the property read from here?
#
# The set-up cell has named the layers, the sites and the position. First everything is exchanged there, layer by layer:
# with the prompt in which both properties differ, as the evaluator does, and with the twin as a control. The stream
# after a block has all that the single outputs have, and is the site wherever it is allowed.

# %%
import matplotlib.pyplot as plt
import torch

torch.manual_seed(0)
model.requires_grad_(False)
FITTED, CHOOSING = 24, 8  # contexts to fit on, and to choose by; the rest says what the choice is worth
BATCH, CONTROLS, STEPS = 16, 4, 48
grid = torch.arange(4 * len(prompts)).reshape(-1, 2, 2)
both, only = grid.flip(1, 2).flatten(), grid.flip(1 + asked).flatten()
twin = grid.unflatten(0, (-1, 2)).flip(1).flatten()
fitted, choosing, rest = (part.flatten() for part in grid.tensor_split([FITTED, FITTED + CHOOSING]))
tokens, row_options = prompts.flatten(0, 2), options.repeat_interleave(4, 0)
first, last = layers
tried = sorted({first, (2 * first + last) // 3, (first + 2 * last) // 3, last})
depth = model.cfg.n_layers
site = "resid_post" if "resid_post" in sites else sites[0]

names = {layer: (f"blocks.{layer}.hook_resid_pre", f"blocks.{layer}.hook_{site}") for layer in tried}
streams, values, finals = {layer: [] for layer in tried}, {layer: [] for layer in tried}, []
with torch.no_grad():
    for batch in tokens.split(48):
        wanted = [name for both_names in names.values() for name in both_names]
        final, cache = model.run_with_cache(batch, names_filter=wanted, stop_at_layer=depth)
        finals.append(final)
        for layer, (before, there) in names.items():
            streams[layer].append(cache[before])
            values[layer].append(cache[there][:, position])
streams, values = ({layer: torch.cat(parts) for layer, parts in kept.items()} for kept in (streams, values))


def odds_of(final, rows):
    """Log odds of both properties from the last block's output."""
    return log_odds(model.unembed(model.ln_final(final[:, -1:]))[:, -1], row_options[rows])


everybody = torch.arange(len(tokens))
with torch.no_grad():
    odds = odds_of(torch.cat(finals), everybody)
sides = torch.stack([everybody // 2 % 2, everybody % 2], -1)
towards = 1 - 2 * sides[:, asked]  # from a prompt's value to that of its source
print("right sign, both properties:", ((odds > 0) == (sides > 0)).float().mean(0).tolist())


def exchanged(layer, rows, sources, Q=None):
    """Log odds of prompts after an exchange, in the span of orthonormal columns or of everything."""
    change = values[layer][sources] - values[layer][rows]
    change = change if Q is None else change @ Q @ Q.T

    def add(value, hook):  # noqa: ARG001
        value = value.clone()
        value[:, position] += change
        return value

    hooks = [(names[layer][1], add)]
    final = model.run_with_hooks(streams[layer][rows], start_at_layer=layer, stop_at_layer=depth, fwd_hooks=hooks)
    return odds_of(final, rows)


@torch.no_grad()
def parts_of(layer, Q, rows):
    """Effect, flips, isolation and selectivity, and their harmonic mean."""
    after, control = exchanged(layer, rows, both[rows], Q), exchanged(layer, rows, twin[rows], Q)
    whole, x, way = odds[both[rows]] - odds[rows], odds[rows, asked], towards[rows]
    right = (x * way < 0) & (odds[both[rows], asked] * way > 0)
    found = [
        ((after[:, asked] - x) * way).mean() / (whole[:, asked] * way).mean(),
        (after[:, asked] * way > 0)[right].float().mean(),
        1 - (after - odds[rows])[:, 1 - asked].abs().mean() / whole[:, 1 - asked].abs().mean(),
        1 - (control[:, asked] - x).abs().mean() / whole[:, asked].abs().mean(),
    ]
    found = [min(1.0, max(0.0, part.item())) for part in found]
    return found, len(found) / sum(1 / part for part in found) if min(found) > 0 else 0.0


def told(found, score):
    parts = zip(("effect", "flips", "isolation", "selectivity"), found, strict=True)
    return ", ".join(f"{name} {part:.2f}" for name, part in parts) + f", score {score:.3f}"


whole = {layer: parts_of(layer, None, choosing) for layer in tried}
for layer, measured in whole.items():
    print(f"everything, layer {layer}: {told(*measured)}")
plt.plot(tried, [found[0] for found, _ in whole.values()], "o-", label="effect")
plt.plot(tried, [found[1] for found, _ in whole.values()], "o-", label="flips")
plt.plot(tried, [found[2] for found, _ in whole.values()], "o-", label="isolation")
plt.xlabel("layer")
plt.title("everything exchanged")
plt.legend()
plt.show()

# %% [markdown]
# # Directions without gradients
#
# The principal components of differences between prompts that differ in the asked property alone; for two values, the
# first one is the difference of means.


# %%
def components(layer, k):
    difference = values[layer][only[fitted]] - values[layer][fitted]
    return torch.linalg.svd(difference, full_matrices=False)[2][:k].T


def principal(layer, k):
    some = values[layer][fitted]
    return torch.linalg.svd(some - some.mean(0), full_matrices=False)[2][:k].T


by_layer = {layer: parts_of(layer, components(layer, 4), choosing) for layer in tried}
for layer, measured in by_layer.items():
    print(f"4 components of differences, layer {layer}: {told(*measured)}")
layer = max(by_layer, key=lambda one: by_layer[one][1])
candidates = {
    "4 components of differences": components(layer, 4),
    "1 component of differences": components(layer, 1),
    "4 principal components": principal(layer, 4),
}
results = {name: parts_of(layer, Q, choosing) for name, Q in candidates.items()}
for name, measured in results.items():
    print(f"layer {layer}, {name}: {told(*measured)}")

# %% [markdown]
# # Search by gradient
#
# After the exchange, the odds should be those of the prompt in which only the asked property differs, and those of the
# prompt itself in the control.

# %%
wanted = odds.clone()
wanted[:, asked] = odds[only, asked]
scale = (odds[both] - odds).square().mean(0)
free = candidates["4 components of differences"].clone().requires_grad_()
optimiser = torch.optim.Adam([free], lr=0.02)
losses = []
# where exchanges do nothing, there is nothing for a gradient to follow
worth = max(found[0] for found, _ in (*whole.values(), *by_layer.values())) > 0.1
for _ in range(STEPS if worth else 0):
    rows = fitted[torch.randperm(len(fitted))[:BATCH]]
    sources = torch.cat([twin[rows[:CONTROLS]], both[rows[CONTROLS:]]])
    aims = torch.cat([odds[rows[:CONTROLS]], wanted[rows[CONTROLS:]]])
    after = exchanged(layer, rows, sources, torch.linalg.qr(free)[0])
    loss = ((after - aims).square() / scale).mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    losses.append(loss.item())
if worth:
    candidates["search by gradient"] = torch.linalg.qr(free.detach())[0]
    results["search by gradient"] = parts_of(layer, candidates["search by gradient"], choosing)
    print(f"layer {layer}, search by gradient: {told(*results['search by gradient'])}")
    plt.plot(losses)
    plt.xlabel("step")
    plt.ylabel("loss")
    plt.show()

# %% [markdown]
# # Decision
#
# The best of these is chosen on contexts that nothing was fitted on, and others say what it is worth.

# %%
best = max(results, key=lambda name: results[name][1])
found, score = parts_of(layer, candidates[best], rest)
print(f"{best} at layer {layer}, on other contexts: {told(found, score)}")
if score >= 0.3:
    answer = {
        "layer": layer,
        "site": site,
        "position": position,
        "directions": candidates[best].T.tolist(),
        "nothing_found": False,
        "confidence": 0.9 if score > 0.5 else 0.6,
        "summary": f"{best}, layer {layer}; on contexts that nothing was fitted on or chosen by: {told(found, score)}.",
    }
else:
    answer = {
        "layer": layer,
        "site": site,
        "position": position,
        "directions": [],
        "nothing_found": True,
        "confidence": 0.9 if score < 0.1 else 0.6,
        "summary": (
            f"At {tried}, everything exchanged has effects of {[round(one[0], 2) for one, _ in whole.values()]}. "
            f"The best subspace, {best}, has: {told(found, score)}."
        ),
    }
