"""Shared cells: does the model do it, and what gradients say each component contributes."""

# %% [markdown]
# ## Does the model do it?

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

model.requires_grad_(False)  # gradients of activations are all that is needed
ATTRIBUTED, BATCH, STEPS = 60, 12, 5
n_layers, n_heads = model.cfg.n_layers, model.cfg.n_heads


def place(name):
    """The hook that carries a component's output, and which head of it; None for an MLP."""
    layer, _, head = name[1:].partition(".h")
    return (f"blocks.{layer}.attn.hook_z", int(head)) if head else (f"blocks.{layer}.hook_mlp_out", None)


def is_component(name):
    return name.endswith(("attn.hook_z", "hook_mlp_out"))


def last_logits(stream):
    """Logits at the last position; unembedding the others would cost a third of the time."""
    return model.unembed(model.ln_final(stream[:, -1:]))[:, -1]


@torch.no_grad()
def shown(tokens, rows):
    """The metric of prompts, in batches."""
    parts = [
        metric(
            last_logits(model(tokens[at : at + BATCH], return_type=None, stop_at_layer=n_layers)),
            options[rows][at : at + BATCH],
            weights[rows][at : at + BATCH],
        )
        for at in range(0, len(tokens), BATCH)
    ]
    return torch.cat(parts).cpu()


used = slice(ATTRIBUTED)
clean, other = shown(prompts[used], used), shown(counterfactuals[used], used)
print(f"{ATTRIBUTED} prompts: metric {clean.mean():.2f}, on the counterfactuals {other.mean():.2f}")
print(
    f"the prompt shows more of the behaviour than its counterfactual in {(clean > other).float().mean():.0%} of pairs"
)

figure, axes = plt.subplots(figsize=(5, 2.8))
axes.hist([clean.numpy(), other.numpy()], bins=20, label=["prompts", "counterfactuals"])
axes.set_xlabel("metric")
axes.set_ylabel("prompts")
axes.legend()
plt.show()

# %% [markdown]
# ## What gradients say
#
# The metric that is lost when a component gives its output on the counterfactual prompt is, to first order, the
# difference of its outputs times the metric's gradient:
#
# - on the prompt itself: **attribution patching** (Nanda 2023; Syed et al. 2023, arXiv 2310.10348);
# - averaged over five inputs on the way from the counterfactual's embeddings to the prompt's: **EAP-IG** (Hanna et al.
#   2024, arXiv 2403.17806), here per node, because a single gradient is blind where something saturates.
#
# The last of the five inputs is the prompt, so the passes of the second give the first as well.


# %%
def outputs(embedded):
    """The stream at the end and every component hook's value, from embedded prompts."""
    seen = {}

    def watch(value, hook):
        seen[hook.name] = value

    final = model.run_with_hooks(
        embedded, start_at_layer=0, stop_at_layer=n_layers, return_type=None, fwd_hooks=[(is_component, watch)]
    )
    return final, seen


def effects_of(rows):
    """Per component, the summed effect by attribution patching and by EAP-IG."""
    with torch.no_grad():
        ends = [model(tokens[rows], return_type=None, stop_at_layer=0) for tokens in (counterfactuals, prompts)]
        (_, there), (_, here) = (outputs(end) for end in ends)
    summed = {}
    for step in range(1, STEPS + 1):
        final, seen = outputs(torch.lerp(*ends, step / STEPS).requires_grad_())
        goal = metric(last_logits(final), options[rows], weights[rows]).sum()
        last = dict(zip(seen, torch.autograd.grad(goal, list(seen.values())), strict=True))
        for name, gradient in last.items():
            summed[name] = summed.get(name, 0) + gradient / STEPS

    def effect(name, gradients):
        hook, head = place(name)
        change = (here[hook] - there[hook]) * gradients[hook]
        return (change if head is None else change[:, :, head]).sum().item()

    return np.array([[effect(name, gradients) for name in components] for gradients in (last, summed)])


batches = [slice(at, at + BATCH) for at in range(0, ATTRIBUTED, BATCH)]
attribution, eap_ig = sum(effects_of(rows) for rows in batches) / ATTRIBUTED
gap = (clean.mean() - other.mean()).item()


def heat_maps(effects):
    """Layers by heads and MLP, one map per method, in shares of the metric that is to be explained."""
    figure, all_axes = plt.subplots(1, len(effects), figsize=(4.5 * len(effects), 7), squeeze=False)
    for axes, (title, values) in zip(all_axes[0], effects.items(), strict=True):
        grid = values.reshape(n_layers, n_heads + 1) / gap
        limit = np.sort(np.abs(grid), axis=None)[-4]  # one component would leave all others pale
        image = axes.imshow(grid, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto")
        axes.set_xticks(range(n_heads + 1), [*(f"h{head}" for head in range(n_heads)), "MLP"])
        axes.set_yticks(range(0, n_layers, 2))
        axes.set_ylabel("layer")
        axes.set_title(title)
        figure.colorbar(image, label="share of the metric", extend="both")
    figure.tight_layout()
    plt.show()


heat_maps({"attribution patching": attribution, "EAP-IG": eap_ig})
