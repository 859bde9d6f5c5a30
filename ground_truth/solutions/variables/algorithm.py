"""Reference solution of variables/algorithm: exchange heads one by one, and compare with the exchange of every sum."""

# %% [markdown]
# # What does exchanging one head do?
#
# If a head carries a sum, then exchanging it changes the label as exchanging the values at some positions does. All
# sets of positions are compared, single ones as well.

# %%
from itertools import combinations

import matplotlib.pyplot as plt
import torch

torch.set_grad_enabled(False)
n_layers, n_heads = model.cfg.n_layers, model.cfg.n_heads
HALF = 400
base, source = prompts[:HALF], prompts[HALF : 2 * HALF]
plain = model(base)[:, -1].argmax(-1)
print("the function is right on", (plain == function(base)).float().mean().item(), "of the prompts")
_, there = model.run_with_cache(source, names_filter=lambda name: name.endswith("hook_z"), return_type=None)


def exchanged(heads):
    """Labels of base prompts with some heads, pairs of layer and head, from the source."""
    hooks = []
    for layer, head in heads:

        def put(z, hook, head=head):
            z[:, :, head] = there[hook.name][:, :, head]
            return z

        hooks.append((f"blocks.{layer}.attn.hook_z", put))
    return model.run_with_hooks(base, fwd_hooks=hooks)[:, -1].argmax(-1)


def with_values(chosen):
    """Labels of base prompts with the source's tokens at some positions."""
    mixed = base.clone()
    mixed[:, list(chosen)] = source[:, list(chosen)]
    return function(mixed)


sums = [chosen for size in range(len(positions) + 1) for chosen in combinations(positions, size)]
wanted = {chosen: with_values(chosen) for chosen in sums}
heads = [(layer, head) for layer in range(n_layers) for head in range(n_heads)]
agreement = torch.stack(
    [torch.stack([(exchanged([head]) == wanted[chosen]).float().mean() for chosen in sums]) for head in heads]
)
plt.figure(figsize=(8, 6))
plt.imshow(agreement, vmin=0, vmax=1, aspect="auto")
plt.xticks(range(len(sums)), ["+".join(map(str, chosen)) or "none" for chosen in sums], rotation=90)
plt.yticks(range(len(heads)), [f"a{layer}.h{head}" for layer, head in heads], fontsize=6)
plt.title("interchange accuracy of each head, by positions")
plt.colorbar()
plt.show()

# %% [markdown]
# # The sums that are used
#
# Most heads change nothing. Heads of the first layer bring single values. The others carry sums.

# %%
carriers = {}
for row, (layer, head) in zip(agreement, heads, strict=True):
    best = sums[int(row.argmax())]
    if best:
        print(f"a{layer}.h{head}: {'+'.join(map(str, best))} with {row.max():.3f}; no change {row[0]:.3f}")
    if 2 <= len(best) < len(positions) and row.max() > 0.95:
        carriers.setdefault(best, []).append((layer, head))

# %% [markdown]
# # Check on fresh prompts, and everything else at once

# %%
base, source = generate(2000, 5)[:1000], generate(2000, 5)[1000:]
_, there = model.run_with_cache(source, names_filter=lambda name: name.endswith("hook_z"), return_type=None)
for chosen, some in carriers.items():
    print(chosen, some, (exchanged(some) == with_values(chosen)).float().mean().item())
used = {head for some in carriers.values() for head in some}
rest = [head for head in heads if head not in used and head[0] > 0]
unchanged = (exchanged(rest) == function(base)).float().mean().item()
print("with all other heads after the first layer exchanged, unchanged:", unchanged)

# %%
answer = {
    "carriers": [
        {"positions": list(chosen), "heads": [f"a{layer}.h{head}" for layer, head in some]}
        for chosen, some in carriers.items()
    ],
    "confidence": 0.97 if unchanged > 0.99 else 0.4,
    "summary": (
        "Exchanging one head between prompts acts like exchanging the values at "
        + "; ".join(f"{'+'.join(map(str, chosen))} ({len(some)} head)" for chosen, some in carriers.items())
        + f". All other heads after the first layer together leave {unchanged:.3f} of the labels."
    ),
}
