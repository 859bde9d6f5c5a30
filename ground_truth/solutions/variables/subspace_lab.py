"""Reference solution of variables/subspace in a laboratory: recovers all variables, then solves for directions."""

# %% [markdown]
# # Where do the variables meet?
#
# The activation of one prompt is put whole into another, where the label becomes the source's.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import squareform

n_layers = lab.shape["n_layers"]
n_values, n_labels, group = int(groups.max()) + 1, len(groups), groups.numpy()
k = n_values - 1
# every combination of values has a label
n_others = round(np.log(n_labels) / np.log(n_values)) - 1
TRIED, CHECKS = 6, 15
base, source = generate(TRIED, 1), generate(TRIED, 2)
there = lab.run(source)
taken = {}
for layer in range(n_layers):
    run = lab.run(base, patch=[lab.interchange(f"m{layer}@-1", there)])
    taken[layer] = (run.outputs == there.outputs).double().mean().item()
print("share of labels that become the source's, what an MLP writes at the last position:", taken)
# the last layer has labels, no variables
layer = max(range(n_layers - 1), key=taken.get)
#: What an MLP writes is smaller than the residual stream, and the noise is relative to the size of what is read.
site = f"m{layer}@-1"
plt.bar(list(taken), list(taken.values()))
plt.xlabel("layer of the MLP")
plt.ylabel("labels that become the source's")
plt.show()

# %% [markdown]
# # What is read, and what is written
#
# The gradient of a label's logit is what the neuron of this label reads. It costs four prompts, and its noise is small:
# at other positions gradients are zero, and the noise has the size of the mean. So most of the budget goes to readings.

# %%
N_GRADIENTS = int(0.3 * (lab.budget.left - 2 * CHECKS) / 4)
first = generate(N_GRADIENTS, 3)
run = lab.run(first, read=[site])
here, labels = [run[site].reshape(N_GRADIENTS, -1)], [run.outputs.flatten().long()]
run = lab.run(first, grad_of=lab.logit(labels[0].tolist()), grad_at=[site])
gradients, of_gradient = run.grad[site].reshape(N_GRADIENTS, -1).double().numpy(), labels[0].numpy()
more = generate(lab.budget.left - 2 * CHECKS, 4)
readings = lab.run(more, read=[site])
here.append(readings[site].reshape(len(more), -1))
labels.append(readings.outputs.flatten().long())
readings_of, labels = torch.cat(here).double().numpy(), torch.cat(labels).numpy()
print(f"{N_GRADIENTS} gradients, {len(readings_of)} readings, {lab.budget}")


def by_label(rows, of):
    """The mean of the rows of each label, zero where there is none, and their number."""
    counts = np.bincount(of, minlength=n_labels)
    sums = np.zeros((n_labels, rows.shape[1]))
    np.add.at(sums, of, rows)
    return sums / np.maximum(counts, 1)[:, None], counts


def leading(rows, count):
    return np.linalg.svd(rows, full_matrices=False)[2][:count].T


# Some dimensions vary although the label stays, by more than the noise. None of them belongs to a variable.
inside = readings_of - by_label(readings_of, labels)[0][labels]
freedom = len(labels) - len(set(labels.tolist()))
spread, axes = np.linalg.eigh(inside.T @ inside / freedom)
width = len(spread)
edge = 1.3 * np.median(spread[: width // 2]) * (1 + np.sqrt(width / freedom)) ** 2  # of noise alone, Marchenko-Pastur
calm = axes[:, spread < edge]
written, read = readings_of @ calm, gradients @ calm
plt.semilogy(spread, "o")
plt.axhline(edge)
plt.xlabel("number")
plt.ylabel("variance within labels")
plt.show()

# %% [markdown]
# # Which labels share which values?
#
# What label l reads, times what is written for label m, counts the variables in which they agree. The asked variable is
# known from the groups. For the others, labels that agree with a first one in all but one variable are neighbours of it
# along one axis; they tell the values of all labels.

# %%
DIMENSIONS = (1 + n_others) * k
read_mean, n_read = by_label(read, of_gradient)
written_mean, n_written = by_label(written, labels)


def without_group(means, counts):
    """What is left of the means of labels without those of their groups, in the leading dimensions."""
    seen = counts > 0
    middle = (means * counts[:, None]).sum(0) / counts.sum()
    basis = leading((means[seen] - middle) * counts[seen, None] ** 0.5, DIMENSIONS)
    left = np.zeros_like(means)
    for value in range(n_values):
        own = (group == value) & seen
        left[own] = means[own] - (means[own] * counts[own, None]).sum(0) / counts[own].sum()
    return left @ basis @ basis.T


alike = without_group(read_mean, n_read) @ without_group(written_mean, n_written).T
both = (n_read > 0) & (n_written > 0)
alike *= n_others / alike.diagonal()[both].mean()  # a label agrees with itself in all of them
# where one of two labels has no gradient, that of the other has to do
has = n_read > 0
alike = np.where(has[:, None] & has, (alike + alike.T) / 2, np.where(has[:, None], alike, alike.T))
plt.hist(alike[both][:, both].flatten(), 60)
plt.xlabel("likeness of two labels")
plt.show()
rests = np.stack(np.unravel_index(np.arange(n_values**n_others), (n_values,) * n_others), 1)


def indicators(values):
    """A constant, and the value of every variable as indicators with mean zero."""
    centred = np.eye(n_values) - 1 / n_values
    return np.concatenate([np.ones((len(values), 1)), *(centred[column] for column in values.T)], 1)


def coefficients_of(values, rows, of):
    return np.linalg.lstsq(indicators(values)[of], rows, rcond=1e-9)[0]


def clusters(members, count):
    """Members that are more alike than others."""
    distance = np.clip(n_others - alike[np.ix_(members, members)], 0, None)
    np.fill_diagonal(distance, 0)
    return fcluster(linkage(squareform(distance, checks=False), "average"), count, "maxclust")


def seen_from(origin):
    """Values of all variables for all labels, from the neighbours of one label; None where they are too few."""
    near = np.where(np.abs(alike[origin] - (n_others - 1.5)) < 0.75)[0]
    if len(near) < n_others * k:
        return None
    same = alike[origin] > n_others - 0.75
    same[origin] = True
    values, axis_of = np.zeros((n_labels, 1 + n_others), int), clusters(near, n_others)
    values[:, 0] = group
    for axis in range(n_others):
        members = near[axis_of == axis + 1]
        if len(members) < max(k, 2):
            return None
        parts = clusters(members, k)
        likeness = [alike[:, same].mean(1), *(alike[:, members[parts == part]].mean(1) for part in set(parts))]
        values[:, 1 + axis] = np.argmax(likeness, 0)
    return values


def refined(values, steps=12):
    """Alternate between what values add and the values of labels, one label for each combination; and the cost."""
    for _ in range(steps):
        costs, total = np.zeros((n_labels, len(rests))), 0.0
        for means, counts, rows, of in (
            (read_mean, n_read, read, of_gradient),
            (written_mean, n_written, written, labels),
        ):
            coefficients = coefficients_of(values, rows, of)
            basis = leading(coefficients[1:], DIMENSIONS)
            variance = np.square((rows - indicators(values)[of] @ coefficients) @ basis).mean()
            total += len(rows) * DIMENSIONS * np.log(variance)
            for value in range(n_values):
                points = indicators(np.insert(rests, 0, value, axis=1)) @ coefficients
                own = group == value
                off = np.square((means[own][:, None] - points) @ basis).sum(-1)
                costs[own] += counts[own, None] * off / variance
        new = values.copy()
        for value in range(n_values):
            own = np.where(group == value)[0]
            rows_, columns = linear_sum_assignment(costs[own])
            new[own[rows_], 1:] = rests[columns]
        if (new == values).all():
            break
        values = new
    return values, total


# the best known labels first
starts = [seen_from(origin) for origin in np.argsort(-np.minimum(n_read, n_written))[:40]]
tried = [refined(start) for start in starts if start is not None]
assert tried, "no label has enough neighbours"
values, cost = min(tried, key=lambda one: one[1])
agreed = np.mean([one[1] < cost + 1e-6 for one in tried])
print(f"{len(tried)} labels tried as the first, of which {agreed:.0%} lead to the same values")

# %% [markdown]
# # Which directions?
#
# With the values known, regressions say what each value adds to what is written, and to what is read. An exchange with
# projection P moves what is read by P times the difference of two activations. First, what is read of the asked
# variable should follow, and all else should not move; then the label itself is simulated, for pairs of labels. What
# the regressions do not know is paid for with its variance.

# %%
WRITES, READS = (
    torch.tensor(coefficients_of(values, *both_)[1:].T) for both_ in ((written, labels), (read, of_gradient))
)
basis = torch.linalg.svd(torch.cat([torch.tensor(leading(one.T.numpy(), DIMENSIONS)) for one in (WRITES, READS)], 1))[0]
basis = basis[:, : 2 * DIMENSIONS]
A, B = basis.T @ WRITES, basis.T @ READS
asked = slice(0, n_values)
wanted = torch.zeros(B.shape[1], A.shape[1], dtype=torch.float64)
wanted[asked, asked] = B[:, asked].T @ A[:, asked]


def variance_of(rows, of):
    """The sum of the variances of all coefficients but the constant, in each dimension."""
    design = indicators(values)[of]
    left = rows - design @ coefficients_of(values, rows, of)
    return np.square(left).mean() * np.trace(np.linalg.pinv(design.T @ design, rcond=1e-9)[1:, 1:])


unknown_written, unknown_read = variance_of(written, labels), variance_of(read, of_gradient)


def unsure(P):
    return unknown_written * (P @ B).square().sum() + unknown_read * (P @ A).square().sum()


def first_loss(P):
    return ((B.T @ P @ A - wanted).square().sum() + unsure(P)) / wanted.square().sum()


X = torch.tensor(indicators(values)[:, 1:])
now = X @ B.T @ A @ X.T  # by the label that reads and the label of the prompt
scale = float(now.diagonal().mean() - now.mean()) / (1 + n_others)
one, two = torch.randint(n_labels, (2, 6000), generator=torch.Generator().manual_seed(5))
V = torch.tensor(values)
differ = (V[one] != V[two]).all(1)
one, two = one[differ][:800], two[differ][:800]
number = {tuple(row): label for label, row in enumerate(values.tolist())}
goal = torch.tensor([number[tuple(row)] for row in torch.cat([V[two][:, :1], V[one][:, 1:]], 1).tolist()])
SOFT, CARE = 0.25, 0.05


def second_loss(P):
    after = now[:, one] + X @ (B.T @ P @ A) @ (X[two] - X[one]).T
    return torch.nn.functional.cross_entropy(after.T / scale / SOFT, goal) + CARE * unsure(P) / scale**2


def search(start, loss_of, steps, rate):
    free = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([free], lr=rate)
    for _ in range(steps):
        Q = torch.linalg.qr(free)[0]
        loss = loss_of(Q @ Q.T)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return torch.linalg.qr(free.detach())[0], loss.item()


generator = torch.Generator().manual_seed(0)
starts = [torch.linalg.svd(one_[:, asked], full_matrices=False)[0][:, :k] for one_ in (A, B)]
starts += [torch.randn(len(A), k, generator=generator, dtype=torch.float64) for _ in range(4)]
found = sorted((search(start, first_loss, 400, 0.02) for start in starts), key=lambda one_: one_[1])
print("losses:", [round(one_[1], 4) for one_ in found])
found = sorted((search(one_[0], second_loss, 300, 0.01) for one_ in found[:3]), key=lambda one_: one_[1])
print("losses of labels:", [round(one_[1], 4) for one_ in found])
Q = torch.tensor(calm) @ basis @ found[0][0]

# %% [markdown]
# # Do they exchange the group, and nothing else?

# %%
run = lab.run(more[:CHECKS], patch=[lab.subspace(site, Q.float(), readings, list(range(CHECKS, 2 * CHECKS)))])
after, before = run.outputs.flatten().long().numpy(), labels[N_GRADIENTS:]
moved = (group[after] == group[before[CHECKS : 2 * CHECKS]]).mean()
kept = (values[after, 1:] == values[before[:CHECKS], 1:]).all(1).mean()
print(f"moved {moved:.2f}, all others as they were {kept:.2f}, {lab.budget}")

# %%
answer = {
    "layer": layer,
    "site": "mlp_out",
    "position": "last",
    "directions": Q.T.tolist(),
    "confidence": float(np.clip(min(moved, kept) - 0.05, 0.1, 0.9)),
    "summary": (
        f"{len(labels)} readings of what the MLP of layer {layer} writes and {N_GRADIENTS} gradients there tell the "
        f"values of all variables for each label. The directions solve for an exchange that moves the asked one alone; "
        f"in {CHECKS} exchanges the group followed in {moved:.2f} and all others stayed in {kept:.2f}."
    ),
}
