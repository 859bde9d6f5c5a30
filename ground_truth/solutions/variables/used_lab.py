"""Reference solution of variables/used in a laboratory: regression on noisy readings, then labels after additions."""

# %% [markdown]
# # Few tokens, many readings
#
# What a property adds to the activation has to be told from what its tokens add. Prompts from a few tokens at each
# position need few parameters for that, and leave all of the budget for the noise.

# %%
import matplotlib.pyplot as plt
import torch

site = "resid_post.1@-1"
n_values, n_properties, n_ctx = int(of_label.max()) + 1, len(property_names), prompts.shape[1]
BUDGET, TESTS = lab.budget.total, 15
N = BUDGET - 2 * TESTS * n_properties
CHOICES = 6
generator = torch.Generator().manual_seed(0)
pool = torch.stack([torch.randperm(int(prompts.max()) + 1, generator=generator)[:CHOICES] for _ in range(n_ctx)])
picked = torch.randint(CHOICES, (N, n_ctx), generator=generator)
drawn = pool[torch.arange(n_ctx), picked]
run = lab.run(drawn, read=[site])
here = run[site].reshape(N, -1).double()
labels = run.outputs.flatten().long()
values = of_label[labels]
print(f"{N} readings; {lab.budget}")
print("values of each property:", [values[:, k].bincount(minlength=n_values).tolist() for k in range(n_properties)])

# %% [markdown]
# # What each property adds
#
# Ridge regression on properties and tokens together.

# %%
one_hot = torch.nn.functional.one_hot
ones = torch.ones(N, 1, dtype=torch.float64)
free = torch.cat([one_hot(values[:, k], n_values)[:, 1:] for k in range(n_properties)], 1).double()
tokens = torch.cat([one_hot(picked[:, i], CHOICES)[:, 1:] for i in range(n_ctx)], 1).double()
design = torch.cat([ones, free, tokens], 1)
penalty = 1e-2 * torch.eye(design.shape[1], dtype=torch.float64)
inverse = torch.linalg.inv(design.T @ design + penalty)
found = (inverse @ design.T @ here)[1 : 1 + free.shape[1]].view(n_properties, n_values - 1, -1)
adds = torch.cat([torch.zeros_like(found[:, :1]), found], 1)
residual = (here - design @ (inverse @ design.T @ here)).square().mean().sqrt()
errors = inverse.diagonal()[1 : 1 + free.shape[1]].sqrt().view(n_properties, -1) * residual
print("size of what is added:", found.norm(dim=2).mean(1))
print("size of its error:", (errors * here.shape[1] ** 0.5).mean(1))

# %% [markdown]
# # Which part of that is noise?
#
# What properties add lies in few dimensions, all together; the leading ones of the estimates.

# %%
rows = (adds - adds.mean(1, keepdim=True)).flatten(0, 1)
_, sizes, right = torch.linalg.svd(rows, full_matrices=False)
plt.plot(sizes, "o")
plt.xlabel("number")
plt.ylabel("singular value of what properties add")
plt.show()

# %% [markdown]
# # Does the label follow?

# %%
follows, stays = {}, {}
for k, property_name in enumerate(property_names):
    # values with few readings are badly known: prefer the best known pair of values
    counts = values[:, k].bincount(minlength=n_values)
    chosen = torch.where(counts[values[:, k]] == counts.max())[0]
    chosen = chosen[torch.randperm(len(chosen), generator=generator)[:TESTS]]
    second = int(counts.topk(2).indices[1])
    old, new = values[chosen, k], torch.full((len(chosen),), second)
    change = adds[k, new] - adds[k, old]
    run = lab.run(drawn[chosen], patch=[lab.add(site, change.float())])
    after = of_label[run.outputs.flatten().long()]
    others = [j for j in range(n_properties) if j != k]
    follows[property_name] = (after[:, k] == new).double().mean().item()
    stays[property_name] = (after[:, others] == values[chosen][:, others]).all(1).double().mean().item()
    print(f"{property_name}: follows {follows[property_name]:.2f}, others stay {stays[property_name]:.2f}")
print(lab.budget)
plt.bar(list(follows), list(follows.values()))
plt.ylabel("share of labels that follow")
plt.show()

# %%
ordered = sorted(follows.values())


def probability(share):
    """How sure the share of labels that follow makes: nothing follows what is not read, whatever the errors."""
    return min(0.98, max(0.02, (share - 0.25) / 0.35))


answer = {
    "used": {one: probability(share) for one, share in follows.items()},
    "confidence": 0.9 if all(share > 0.6 or share < 0.3 for share in ordered) else 0.5,
    "summary": (
        f"What each property adds was estimated by regression on {N} noisy readings; after adding it to {TESTS} "
        f"activations, labels follow in these shares: {follows}."
    ),
}
