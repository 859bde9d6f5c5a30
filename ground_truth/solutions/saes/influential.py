"""Reference solution of saes/influential: zero each latent, and all others; then all sets of those that go together."""

# %% [markdown]
# # What is active when, and what does a latent do alone?
#
# A latent may be loud without being read, and its effect may be hidden by others that do the same. So there are two
# questions for each: what changes if it is zeroed, and what changes if it alone is *not* zeroed?

# %%
import itertools

import matplotlib.pyplot as plt

torch.set_grad_enabled(False)
hook = "blocks.0.hook_resid_post"
tokens = prompts[:240]  # every token five times at each position
logits, cache = model.run_with_cache(tokens, names_filter=lambda name: name == hook)
stream, clean = cache[hook], logits[:, -1]
latents = encode(stream[:, -1])
n_latents = latents.shape[1]
unexplained = stream[:, -1] - (latents @ W_dec + b_dec)
print(f"{(latents > 0).float().sum(1).mean():.1f} of {n_latents} latents are active in a prompt")
print(f"variance left by the autoencoder: {unexplained.var(0).sum() / stream[:, -1].var(0).sum():.3f}")


def outputs(zeroed, rows):
    """The outputs of some prompts with latents zeroed."""
    changed = stream[rows].clone()
    changed[:, -1] -= latents[rows][:, zeroed] @ W_dec[zeroed]
    return model(changed, start_at_layer=1)[:, -1]


everything = torch.arange(n_latents)
active = [torch.where(latents[:, latent] > 0)[0] for latent in range(n_latents)]
without_all = outputs(everything, torch.arange(len(tokens)))
alone, last = torch.zeros(n_latents), torch.zeros(n_latents)
for latent in range(n_latents):
    rows = active[latent]  # in all other prompts, to zero it changes nothing
    if len(rows):
        others = everything[everything != latent]
        alone[latent] = (outputs(torch.tensor([latent]), rows) - clean[rows]).square().sum() / len(tokens)
        last[latent] = (outputs(others, rows) - without_all[rows]).square().sum() / len(tokens)

mean_size = latents.mean(0)
print("largest effects of one zeroed:", alone.sort(descending=True).values[:16])
print("largest effects of one that is left:", last.sort(descending=True).values[:16])

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3.5))
axes[0].scatter(mean_size, alone, s=8)
axes[0].set(xlabel="mean activation", ylabel="effect of zeroing it", title="Loud latents need not matter")
axes[1].scatter(alone, last, s=8)
axes[1].set(xlabel="effect of zeroing it", ylabel="effect of leaving only it", title="Alone, and last")
figure.tight_layout()
plt.show()

# %% [markdown]
# Some change nothing when they are zeroed, and much when they are the only one left: others stand in for them. Others
# are the reverse: each is needed. So latents act in groups.
#
# Which ones? Only latents that are active in the same prompts can act together.

# %%
floor = 1e-3 * max(alone.max(), last.max())
relevant = [latent for latent in range(n_latents) if max(alone[latent], last[latent]) > floor]
on = (latents > 0).float()
together = (on.T @ on) / on.sum(0).clamp(min=1)
groups = []
for latent in relevant:
    mates = [group for group in groups if together[latent, group[0]] > 0.9 and together[group[0], latent] > 0.9]
    if mates:
        mates[0].append(latent)
    else:
        groups.append([latent])
print(f"{len(relevant)} latents have an effect; they are active in {len(groups)} different sets of prompts")
print("sizes:", sorted((len(group) for group in groups), reverse=True))

# %% [markdown]
# Within each of these sets of prompts: zero every combination. Between them, effects may add up, which is tested below.

# %%
parts = []
for group in groups:
    rows = torch.where(on[:, group].any(1))[0]
    found = {}
    for size in range(1, len(group) + 1):
        for some in itertools.combinations(group, size):
            changed = outputs(torch.tensor(some), rows) - clean[rows]
            found[some] = float(changed.square().sum() / len(tokens))
    parts.append(found)
print(sum(map(len, parts)), "combinations")

reached = {0: (0.0, ())}  # latents used -> the best effect, and the latents
for found in parts:
    added = dict(reached)
    for (used, (effect, some)), (part, more) in itertools.product(reached.items(), found.items()):
        total = used + len(part)
        if total <= n_chosen and effect + more > added.get(total, (-1.0, ()))[0]:
            added[total] = (effect + more, some + part)
    reached = added
expected, best = max(reached.values())

# %% [markdown]
# # Is the sum right?

# %%
fresh = generate(480, seed=1)
logits, cache = model.run_with_cache(fresh, names_filter=lambda name: name == hook)
stream, clean = cache[hook], logits[:, -1]
latents = encode(stream[:, -1])
every = torch.arange(len(fresh))


def effect_of(zeroed):
    return float((outputs(torch.tensor(sorted(zeroed)), every) - clean).square().sum(1).mean())


measured = effect_of(best)
by_alone = effect_of(alone.sort(descending=True).indices[:n_chosen].tolist())
by_size = effect_of(mean_size.sort(descending=True).indices[:n_chosen].tolist())
print(
    f"expected {expected:.3f}, measured on fresh prompts {measured:.3f}; "
    f"the largest effects alone {by_alone:.3f}, the largest latents {by_size:.3f}"
)
swaps = [
    effect_of([one for one in best if one != out] + [into])
    for out in best
    for into in alone.sort(descending=True).indices[:3].tolist()
    if into not in best
]
print(f"best of {len(swaps)} exchanges: {max(swaps, default=0):.3f}")

plt.figure(figsize=(5, 3))
plt.bar(["this set", "best alone", "largest"], [measured, by_alone, by_size])
plt.ylabel("effect on fresh prompts")
plt.show()

# %%
answer = {
    "latents": sorted(best),
    "confidence": 0.95 if measured > 0.85 * expected and max(swaps, default=0) < 1.02 * measured else 0.5,
    "summary": (
        f"{len(relevant)} of {n_latents} latents have an effect, alone or as the last one left. All combinations of "
        f"those that are active together were zeroed; the best set changes the output by {measured:.3f} on fresh "
        f"prompts, the largest single effects together by {by_alone:.3f}."
    ),
}
