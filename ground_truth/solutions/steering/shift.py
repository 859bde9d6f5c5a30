"""Reference solution of steering/shift: the difference of means without what goes along with it, and exchanges."""

# %% [markdown]
# # What differs between the two kinds of prompts?
#
# First the difference of means at each layer (Rimsky et al. 2024), judged as the task judges it.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

torch.set_grad_enabled(False)
LAYERS = list(range(1, model.cfg.n_layers))
LENGTHS, MOST = torch.tensor([0.02 * 1.22**step for step in range(24)]), 0.02


def read(tokens, layer):
    """The residual stream after a layer, at the last position."""
    name = f"blocks.{layer}.hook_resid_post"
    return model.run_with_cache(tokens, names_filter=name, return_type=None)[1][name][:, -1]


OFF, NEUTRAL = prompts_off[:100], neutral[:200]
streams = {}
for layer in LAYERS:
    name = f"blocks.{layer}.hook_resid_post"
    streams[layer] = [model.run_with_cache(one, names_filter=name)[1][name] for one in (OFF, NEUTRAL)]


def said(stream, layer, change):
    """Log-probabilities after a vector is added to the residual stream after a layer, at the last position."""
    stream = stream.clone()
    stream[:, -1] = stream[:, -1] + change
    if layer + 1 < model.cfg.n_layers:
        return model(stream, start_at_layer=layer + 1)[:, -1].log_softmax(-1)
    return model.unembed(stream)[:, -1].log_softmax(-1)


off_said, neutral_said = (model(one)[:, -1].log_softmax(-1) for one in (OFF, NEUTRAL))
wanted = partner[off_said.argmax(-1)]
print("labels of prompts_on:", model(prompts_on)[:, -1].argmax(-1).unique().tolist())
print("labels of prompts_off:", off_said.argmax(-1).unique().tolist(), "their partners:", wanted.unique().tolist())
length = {layer: torch.cat(streams[layer])[:, -1].norm(dim=1).mean() for layer in LAYERS}


def judged(layer, change):
    """The partner's mean probability and log-probability, and the divergence, with a vector added."""
    off, kept = (said(stream, layer, change) for stream in streams[layer])
    p = off.gather(1, wanted[:, None])
    return p.exp().mean(), p.mean(), (neutral_said.exp() * (neutral_said - kept)).sum(1).mean()


def curve(layer, vector, lengths=LENGTHS):
    """Effect and divergence at some lengths."""
    before = off_said.exp().gather(1, wanted[:, None]).mean()
    found = [judged(layer, scale * length[layer] * vector / vector.norm()) for scale in lengths]
    return np.array([(p - before).item() for p, _, _ in found]), np.array([moved.item() for _, _, moved in found])


def best_effect(effects, divergences):
    """The largest effect at an allowed length."""
    return max([0.0, *effects[divergences <= MOST]])


def show(title, candidates):
    """Effect against divergence, a curve for each candidate; returns the best effects."""
    found = {}
    for name, (layer, vector) in candidates.items():
        effects, divergences = curve(layer, vector)
        found[name] = best_effect(effects, divergences)
        plt.plot(np.maximum(divergences, 1e-6), effects, "o-", markersize=3, label=name)
        print(f"{name:45s} effect {found[name]:.3f}")
    plt.axvline(MOST, color="black", linestyle=":")
    plt.xscale("log")
    plt.xlabel("mean divergence on neutral prompts (nats)")
    plt.ylabel("rise of the partner's probability")
    plt.title(title)
    plt.legend(fontsize=7)
    plt.show()
    return found


candidates = {
    f"difference of means, layer {layer}": (layer, read(prompts_on, layer).mean(0) - read(prompts_off, layer).mean(0))
    for layer in LAYERS
}
generator = torch.Generator().manual_seed(0)
for layer in LAYERS:
    candidates[f"random, layer {layer}"] = layer, torch.randn(model.cfg.d_model, generator=generator)
found = show("difference of means", candidates)

# %% [markdown]
# # What else differs?
#
# Neutral prompts say what else the model computes: their labels. A probe that tells these labels apart can be read on
# the contrast pairs too. Where its answers differ in distribution, the pairs are confounded.

# %%
pairs = torch.cat([prompts_on, prompts_off])
gate = torch.cat([torch.ones(len(prompts_on)), torch.zeros(len(prompts_off))])
neutral_labels = model(neutral)[:, -1].argmax(-1)
for layer in LAYERS:
    probe = LogisticRegression(C=10.0, max_iter=2000).fit(read(neutral, layer).numpy(), neutral_labels.numpy())
    here = read(pairs, layer).double()
    kind = torch.tensor(probe.predict(here.float().numpy()))
    kinds = sorted(set(kind.tolist()))
    if layer == LAYERS[0]:
        counts = np.array([[int(((kind == k) & (gate == side)).sum()) for k in kinds] for side in (0, 1)])
        print("label by the probe, first and second way:\n", counts)
    # the gate and what the probe says, fitted together
    design = torch.cat([gate[:, None], torch.stack([kind == k for k in kinds], 1).float()], 1).double()
    fitted = torch.linalg.lstsq(design, here).solution
    candidates[f"with what neutral labels tell, layer {layer}"] = layer, fitted[0].float()
found = show("with what neutral labels tell", candidates)

# %% [markdown]
# # Could any vector do it?
#
# The whole activation of a prompt with the second way, put in the place of one with the first, brings everything that
# vectors could. If answers stay in the first way even so, no vector is likely to change them. After the last layer it
# brings the answer itself, and all of it; that says nothing.

# %%
moved = {}
for layer in LAYERS:
    name = f"blocks.{layer}.hook_resid_post"
    taken = read(prompts_on, layer)

    def put(value, hook):  # noqa: ARG001
        value = value.clone()
        value[:, -1] = taken  # noqa: B023
        return value

    with_taken = model.run_with_hooks(prompts_off, fwd_hooks=[(name, put)])[:, -1].argmax(-1)
    moved[layer] = torch.isin(with_taken, partner[partner >= 0]).float().mean().item()
    print(f"layer {layer}: second way after an exchange of the whole activation: {moved[layer]:.2f}")
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
left.bar([f"after layer {layer}" for layer in LAYERS], list(moved.values()))
left.set_ylabel("share in the second way after an exchange")
best_of = {layer: max(value for name, value in found.items() if name.endswith(f"layer {layer}")) for layer in LAYERS}
right.bar([f"after layer {layer}" for layer in LAYERS], list(best_of.values()))
right.set_ylabel("largest effect of a vector")
plt.tight_layout()
plt.show()

# %% [markdown]
# # A search
#
# Only if the exchange works before the last layer and no candidate does: gradients on the task's own measure.

# %%
for layer in LAYERS[:-1]:
    if max(found.values()) > 0.8 or moved[layer] < 0.1:
        continue
    for number, start in enumerate([one for at, one in candidates.values() if at == layer]):
        vector = (0.2 * length[layer] * start / start.norm()).clone().requires_grad_()
        optimiser = torch.optim.Adam([vector], lr=0.05)
        with torch.enable_grad():
            for _ in range(200):
                p, log_p, divergence = judged(layer, vector)
                loss = -p - 0.1 * log_p + 10 * (divergence - 0.75 * MOST).clamp(min=0)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        candidates[f"search {number}, layer {layer}"] = layer, vector.detach()
    found |= show("search", {name: one for name, one in candidates.items() if name.startswith("search")})

# %%
best = max(found, key=found.get)
works = found[best] > 0.3
answer = {
    "layer": candidates[best][0],
    "vector": candidates[best][1].tolist() if works else [],
    "nothing_found": not works,
    "confidence": 0.95 if found[best] > 0.8 or found[best] < 0.1 else 0.5,
    "summary": (
        f"Of {len(found)} vectors, '{best}' has the largest effect, {found[best]:.3f}, at an allowed length. "
        f"Differences of means: {', '.join(f'{found[name]:.3f}' for name in found if name.startswith('diff'))}. "
        f"Exchanging whole activations moves {moved[LAYERS[0]]:.2f} of answers after layer {LAYERS[0]}."
    ),
}
