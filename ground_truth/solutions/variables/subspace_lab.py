"""Reference solution of variables/subspace in a laboratory: what is written and what is read, both under noise."""

# %% [markdown]
# # Where do the variables meet?
#
# The activation of one prompt is put whole into another, where the label becomes the source's.

# %%
import matplotlib.pyplot as plt
import torch

n_layers, n_ctx = lab.shape["n_layers"], prompts.shape[1]
n_values, n_labels = int(groups.max()) + 1, len(groups)
BUDGET, TRIED = lab.budget.total, 10
base, source = generate(TRIED, 1), generate(TRIED, 2)
there = lab.run(source)
taken = {}
for layer in range(n_layers):
    run = lab.run(base, patch=[lab.interchange(f"resid_post.{layer}@-1", there)])
    taken[layer] = (run.outputs == there.outputs).double().mean().item()
print("share of labels that become the source's, last position:", taken)
# the last layer has labels, no variables; what the layer before it has is read by its MLP
layer = max(one for one in range(n_layers - 1) if taken[one] > 0.8)
site = f"resid_mid.{layer + 1}@-1"
print(site, lab.budget)

# %% [markdown]
# # What is read
#
# The gradient of a label's logit is what the neuron of this label reads. Its mean over the labels of a group differs
# between groups in what is read of the asked variable; what is left is what is read of the others.

# %%
N_GRADIENTS, N_CHECKS = int(0.5 * BUDGET / 4), int(0.05 * BUDGET)
first = generate(N_GRADIENTS, 3)
run = lab.run(first, read=[site])
reads, labels = [run[site].reshape(N_GRADIENTS, -1).double()], [run.outputs.flatten().long()]
run = lab.run(first, grad_of=lab.logit(labels[0].tolist()), grad_at=[site])
gradients = run.grad[site].reshape(N_GRADIENTS, -1).double()
width, k = gradients.shape[1], n_values - 1
own_group = groups[labels[0]]
by_group = torch.stack([gradients[own_group == value].mean(0) for value in range(n_values)])
R_asked = (by_group - by_group.mean(0)).T
left_over = gradients - by_group[own_group]
_, sizes, right = torch.linalg.svd(left_over, full_matrices=False)
plt.plot(sizes[:24], "o")
plt.xlabel("number")
plt.ylabel("singular value of what is read of the others")
plt.show()
#: The label counts tell how many other variables there are: each adds as many dimensions as the asked one.
n_others = round(torch.log(torch.tensor(float(n_labels))).item() / torch.log(torch.tensor(float(n_values))).item()) - 1
R_other = right[: n_others * k].T * (sizes[: n_others * k] / N_GRADIENTS**0.5)
print("largest singular values:", sizes[:12].tolist(), "kept:", n_others * k)

# %% [markdown]
# # What is written
#
# Readings give the differences between means of groups, and the covariance of all that varies besides, from which the
# known noise is taken away.

# %%
more = generate(lab.budget.left - 3 * N_CHECKS, 4)  # three candidates are tried, on half as many pairs
readings = lab.run(more, read=[site])
reads.append(readings[site].reshape(len(more), -1).double())
labels.append(readings.outputs.flatten().long())
reads, labels = torch.cat(reads), torch.cat(labels)
noise = lab.terms["read_noise"]
variance = float(reads.square().mean() * noise**2 / (1 + noise**2))
means = torch.stack([reads[groups[labels] == value].mean(0) for value in range(n_values)])
W = (means - means.mean(0)).T
within = reads - means[groups[labels]]
covariance = within.T @ within / (len(reads) - n_values) - variance * torch.eye(width, dtype=torch.float64)
values, vectors = torch.linalg.eigh(covariance)
covariance = vectors @ torch.diag(values.clamp(min=0)) @ vectors.T
# noise that is left in what is written, for every dimension
error = variance * n_values / len(reads)
print(f"{len(reads)} readings; size of what is written {W.norm():.2f}, of its noise {(error * W.numel()) ** 0.5:.2f}")

# %% [markdown]
# # Which directions?
#
# An exchange with projection P moves what is read by P times the difference of two activations. What is read of the
# asked variable should follow the group, and what is read of the others should not move at all. Both are quadratic in
# known quantities, so no run is needed: a search from several starts.

# %%
wanted = R_asked.T @ W
scale_asked = wanted.square().sum()


def loss_of(Q):
    P = Q @ Q.T
    moved = R_asked.T @ P @ W - wanted
    # what varies while the group stays, and what is read of others when the group changes
    leaks = (R_asked.T @ P @ covariance @ P @ R_asked).trace()
    spoils = (R_other.T @ P @ covariance @ P @ R_other).trace() + (R_other.T @ P @ W).square().sum()
    return (moved.square().sum() + leaks + spoils) / scale_asked


def search(start, steps=400):
    free = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([free], lr=0.02)
    for _ in range(steps):
        loss = loss_of(torch.linalg.qr(free)[0])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return torch.linalg.qr(free.detach())[0], loss.item()


def span(columns, count):
    return torch.linalg.svd(columns, full_matrices=False)[0][:, :count]


generator = torch.Generator().manual_seed(0)
starts = [span(W, k), span(R_asked, k), span(W / W.norm() + R_asked / R_asked.norm(), k)]
starts += [torch.randn(width, k, generator=generator, dtype=torch.float64) for _ in range(2)]
found = sorted((search(start) for start in starts), key=lambda one: one[1])
print("losses:", [round(one[1], 4) for one in found])

# %% [markdown]
# # Do they exchange the group, and nothing else?
#
# In the laboratory only the group can be seen. That others stay is seen where source and base have the same group: the
# label must not change at all.

# %%
candidates = {"solved": found[0][0], "where it is written": span(W, k), "what reads it": span(R_asked, k)}
results = {}
few = N_CHECKS // 2
known = labels[N_GRADIENTS:]
for title, Q in candidates.items():
    run = lab.run(more[:few], patch=[lab.subspace(site, Q.float(), readings, list(range(N_CHECKS, N_CHECKS + few)))])
    after = run.outputs.flatten().long()
    same = groups[known[:few]] == groups[known[N_CHECKS : N_CHECKS + few]]
    moved = (groups[after] == groups[known[N_CHECKS : N_CHECKS + few]]).double()[~same].mean().item()
    kept = (after == known[:few]).double()[same].mean().item()
    results[title] = moved, kept
    print(f"{title:22s} moves the group {moved:.2f}, label unchanged where the group is the same {kept:.2f}")
print(lab.budget)
plt.bar(range(len(results)), [min(both) for both in results.values()])
plt.xticks(range(len(results)), list(results))
plt.ylabel("the lower of both shares")
plt.show()

# %%
directions = candidates["solved"]
answer = {
    "layer": layer + 1,
    "site": "resid_mid",
    "position": "last",
    "directions": directions.T.tolist(),
    "confidence": 0.8 if min(results["solved"]) > 0.85 else 0.3,
    "summary": (
        f"At {site}, {N_GRADIENTS} gradients say what is read, {len(reads)} readings what is written. The directions "
        f"solve for an exchange that moves what is read of the group and nothing else; tried, they move the group in "
        f"{results['solved'][0]:.2f} of pairs, and leave the label alone in {results['solved'][1]:.2f} of those of one "
        "group."
    ),
}
