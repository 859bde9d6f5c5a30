"""Cells shared by the notebooks for laboratories: pairs of statements are read where it still may matter.

They use `draw(count)`, which gives as many new pairs of statements, the two of a pair the same but for their truth;
`direction(values)`, which makes a direction of what was read of pairs at one place, and `clarity(values)`, which says
how surely the two are told apart there; `WINDOW`, `earliest` and `latest`: how many tokens a head sees, its own
included, and the positions of the first and the last word that decide.
"""

# %% [markdown]
# ## Where the truth can be
# Attention is local, so after a layer a position knows of no more than `WINDOW - 1` further tokens. Where not all words
# that decide can have arrived, nothing has to be read.

# %%
import numpy as np

n_layers, last = lab.shape["n_layers"], statements.shape[1] - 1
places = [
    (layer, position)
    for layer in range(n_layers)
    for position in range(latest, last + 1)
    if position - (layer + 1) * (WINDOW - 1) <= earliest
]
per_run = min(n_layers, lab.terms["sites_per_run"] or n_layers, 4)  # more than four sites would cost more
print(lab.budget, "with", per_run, "sites a run, noise", lab.terms["read_noise"])
print("places (layer, position):", places)
seen = {layer: [] for layer in range(n_layers)}  # of every layer: [pair, side, position, width], a part for each run


def price(layers):
    """What a pair costs."""
    return 2 * -(-len(layers) // per_run)


def read(layers, count):
    """Read `count` new pairs after these layers; a site without a position gives all tokens for the same price."""
    pairs = draw(count)
    for start in range(0, len(layers), per_run):
        sites = {layer: f"resid_post.{layer}" for layer in layers[start : start + per_run]}
        run = lab.run(torch.cat(pairs), read=list(sites.values()))
        for layer, site in sites.items():
            values = run[site].double().numpy()
            seen[layer].append(values.reshape(2, count, *values.shape[1:]).swapaxes(0, 1))


def at(layer, position):
    """What was read at a place: [pair, side, width]."""
    return np.concatenate(seen[layer])[:, :, position]


# %% [markdown]
# ## Where it is
# Of a scan of every place only what was read at the right one helps the probe. So a part of the budget looks at all
# layers that may have it, another part at the better half of them, and what is left is spent at the best.

# %%
candidates, clear = sorted({layer for layer, _ in places}), {}
while lab.budget.left >= price(candidates):
    share = 0.45 if len(candidates) > per_run else 1.0
    read(candidates, max(1, int(share * lab.budget.left) // price(candidates)))
    clear |= {place: clarity(at(*place)) for place in places if place[0] in candidates}
    best = {layer: max(clear[place] for place in places if place[0] == layer) for layer in candidates}
    print({layer: round(float(value), 2) for layer, value in best.items()}, lab.budget)
    if len(candidates) > per_run:
        kept = max(per_run, -(-len(candidates) // 2))
        candidates = sorted(candidates, key=best.get, reverse=True)[:kept]
layer, position = max((place for place in places if place[0] in candidates), key=clear.get)
chosen = at(layer, position)
print(f"layer {layer}, position {position}: {len(chosen)} pairs")
