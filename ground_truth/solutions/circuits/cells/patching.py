"""Shared cells: resample activation patching of every head and every MLP, one at a time."""

# %% [markdown]
# ## One component at a time
#
# Resample activation patching: a component's output on the base prompt is replaced, at all positions, by its output on
# the source prompt; everything after it computes as usual. Two numbers say what that does:
#
# - accuracy lost;
# - the fall of the logit difference: the right label's logit minus the mean of the others'. It also moves when no label
#   changes yet.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

PAIRS = 300
n_layers, n_heads = model.cfg.n_layers, model.cfg.n_heads
nodes = [name for layer in range(n_layers) for name in [*(f"a{layer}.h{head}" for head in range(n_heads)), f"m{layer}"]]
labelled = slice(None) if base_labels.ndim == 2 else slice(-1, None)  # every position, or the last one only


def place(node):
    """The hook that carries a node's output, and which head of it; None for an MLP."""
    layer, _, head = node[1:].partition(".h")
    return (f"blocks.{layer}.attn.hook_z", int(head)) if head else (f"blocks.{layer}.hook_mlp_out", None)


def is_node_hook(name):
    return name.endswith(("attn.hook_z", "hook_mlp_out"))


# %%
def resample(value, hook, heads):
    replacement = source_cache[hook.name][: len(value)]
    if heads == [None]:
        return replacement
    patched = value.clone()
    patched[:, :, heads] = replacement[:, :, heads]
    return patched


@torch.no_grad()
def resampled(chosen, pairs=None):
    """Logits at the labelled positions when the chosen nodes are resampled together, for the first pairs or all."""
    heads = {}
    for node in chosen:
        hook, head = place(node)
        heads.setdefault(hook, []).append(head)
    hooks = [(hook, lambda value, hook, which=which: resample(value, hook, which)) for hook, which in heads.items()]
    return model.run_with_hooks(run[:pairs], fwd_hooks=hooks)[:, labelled]


def correct(logits):
    """Share of right labels, per prompt."""
    return (logits.argmax(-1) == right_labels[: len(logits)]).float().mean(-1)


def logit_difference(logits):
    """The right label's logit minus the mean of the others', per prompt."""
    right = logits.gather(-1, right_labels[: len(logits), :, None])[..., 0]
    return (right - (logits.sum(-1) - right) / (logits.shape[-1] - 1)).mean(-1)


def in_words(fall):
    """What the logit difference does when it falls by so much; a negative fall is a rise."""
    if abs(fall) < 0.005:
        return "stays"
    return f"{'falls' if fall > 0 else 'rises'} by {abs(fall):.2f}"


def accuracy_without(chosen):
    return correct(resampled(chosen)).mean().item()


def use_pairs(chosen):
    """Everything from here on is measured on these rows of `base` and `source`."""
    global run, taken_from, right_labels, clean, source_cache, clean_accuracy, clean_difference, no_node_accuracy
    run, taken_from = base[chosen], source[chosen]
    right_labels = base_labels[chosen].reshape(len(run), -1)
    with torch.no_grad():
        clean = model(run)[:, labelled]
        _, source_cache = model.run_with_cache(taken_from, names_filter=is_node_hook)
    clean_accuracy, clean_difference = correct(clean).mean().item(), logit_difference(clean).mean().item()
    no_node_accuracy = accuracy_without(nodes)
    print(f"{len(run)} pairs; accuracy: {clean_accuracy:.3f}; with every node resampled: {no_node_accuracy:.3f}")
    print(f"logit difference: {clean_difference:.2f}")


def scan():
    """Per node: the fall of the logit difference, its standard error, and the accuracy lost."""
    fall, error, lost = {}, {}, {}
    for node in nodes:
        logits = resampled([node])
        falls = logit_difference(clean) - logit_difference(logits)
        fall[node], error[node] = falls.mean().item(), falls.std().item() / len(falls) ** 0.5
        lost[node] = clean_accuracy - correct(logits).mean().item()
    return fall, error, lost


use_pairs(slice(PAIRS))
patching, patching_error, accuracy_lost = scan()


# %%
NEGLIGIBLE = 0.1  # of the value without patches: no smaller effect fills a colour scale, so that noise stays pale


def heat_maps(falls, lost):
    """One layer x node map per title: falls of the logit difference (below zero: rises), then accuracy lost."""
    scores = {**falls, **lost}
    figure, all_axes = plt.subplots(1, len(scores), figsize=(4.6 * len(scores), 3.2), squeeze=False)
    for axes, (title, score) in zip(all_axes[0], scores.items(), strict=True):
        grid = np.array([score[node] for node in nodes]).reshape(n_layers, n_heads + 1)
        limit = max(np.abs(grid).max(), NEGLIGIBLE * (abs(clean_difference) if title in falls else clean_accuracy))
        if title in falls:
            image = axes.imshow(grid, cmap="RdBu", vmin=-limit, vmax=limit)
        else:  # there is no accuracy to win where nearly all labels are right
            image = axes.imshow(grid, cmap="Blues", vmin=0, vmax=limit)
        axes.set_xticks(range(n_heads + 1), [*(f"h{head}" for head in range(n_heads)), "MLP"])
        axes.set_yticks(range(n_layers), [f"layer {layer}" for layer in range(n_layers)])
        axes.set_title(title)
        for layer, column in np.ndindex(grid.shape):
            ink = "white" if abs(grid[layer, column]) > limit / 2 else "black"
            axes.text(column, layer, f"{grid[layer, column]:z.2f}", ha="center", va="center", color=ink, fontsize=7)
        figure.colorbar(image)
    figure.tight_layout()
    plt.show()


heat_maps({"logit difference lost": patching}, {"accuracy lost": accuracy_lost})
