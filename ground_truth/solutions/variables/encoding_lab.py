"""Reference solution of variables/encoding in a laboratory: noisy gradients say where, readings say which states."""

# %% [markdown]
# # Which dimensions are read?
#
# Gradients of the difference between two logits lie in what is read, whatever the prompt. Two labels that differ in the
# group only leave what is read of the variable. Noise fills all dimensions evenly, so the dimensions of the code stand
# out.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.mixture import GaussianMixture

site = "resid_post.1@-1"
n_values, n_others = int(groups.max()) + 1, int(others.max()) + 1
label_at = {(int(group), int(other)): label for label, (group, other) in enumerate(zip(groups, others, strict=True))}
BUDGET = lab.budget.total
N_GRADIENTS, N_CHECKS = int(0.13 * BUDGET), int(0.04 * BUDGET)

first = generate(N_GRADIENTS, 1)
run = lab.run(first, read=[site])
reads, labels = [run[site].reshape(N_GRADIENTS, -1).double()], [run.outputs.flatten().long()]
steps = 1 + torch.arange(N_GRADIENTS) % (n_values - 1)
against = [
    label_at[int((groups[one] + step) % n_values), int(others[one])] for one, step in zip(labels[0], steps, strict=True)
]
run = lab.run(first, grad_of=lab.logit(labels[0].tolist(), minus=against), grad_at=[site])
gradients = run.grad[site].reshape(N_GRADIENTS, -1).double()
_, sizes, right = torch.linalg.svd(gradients, full_matrices=False)
width = gradients.shape[1]
# the smaller half of the singular values is noise; what noise alone would have as its largest one
quantile = np.sqrt(N_GRADIENTS) + np.sqrt(width)
noise = float(sizes[width // 2 :].square().mean().sqrt()) / np.sqrt(N_GRADIENTS) * 1.3
m = max(1, int((sizes > 1.15 * noise * quantile).sum()))
Q = right[:m].T
print(f"{m} dimensions are read", (sizes[:12] / sizes[0]).tolist(), lab.budget)
plt.plot(sizes / sizes[0], "o")
plt.axhline(1.15 * noise * quantile / float(sizes[0]))
plt.xlabel("number")
plt.ylabel("singular value of gradients, relative")
plt.show()

# %% [markdown]
# # Which states are there?
#
# Readings with labels. Within the dimensions of the code each reading is a state with noise, whose size is known. For
# every value of the variable: a mixture of as many states as explain the readings best.

# %%
left = lab.budget.left - 2 * N_CHECKS
more = generate(left, 2)
run = lab.run(more, read=[site])
reads.append(run[site].reshape(left, -1).double())
labels.append(run.outputs.flatten().long())
reads, labels = torch.cat(reads), torch.cat(labels)
level = lab.terms["read_noise"]
spread = float((reads.square().mean() / (1 + level**2)).sqrt()) * level
seen = (reads @ Q).numpy()
group, rest = groups[labels].numpy(), others[labels].numpy()
print(f"{len(seen)} readings, noise {spread:.3f} in each dimension")


def mixture(points, count):
    """The best of some fits of a mixture of states with the known noise, and its information criterion."""
    best = None
    for seed in range(6):
        fit = GaussianMixture(count, covariance_type="spherical", random_state=seed, n_init=2, reg_covar=1e-4)
        fit.fit(points)
        distances = ((points[:, None] - fit.means_[None]) ** 2).sum(-1)
        weights = np.log(fit.weights_ + 1e-9) - distances / (2 * spread**2)
        top = weights.max(1, keepdims=True)
        likelihood = float((top[:, 0] + np.log(np.exp(weights - top).sum(1))).sum())
        if best is None or likelihood > best[1]:
            best = fit.means_, likelihood
    parameters = count * points.shape[1] + count - 1
    return best[0], parameters * np.log(len(points)) - 2 * best[1]


#: As many states of a value as companions of it, or that times a few.
COUNTS = (n_values, n_values**2)
criteria = {count: sum(mixture(seen[group == v], count)[1] for v in range(n_values)) for count in COUNTS}
count = min(criteria, key=criteria.get)
print("states of each value, by an information criterion:", criteria, "->", count)
states, value_of = [], []
for value in range(n_values):
    states.extend(mixture(seen[group == value], count)[0])
    value_of.extend([value] * count)
states, value_of = np.array(states), np.array(value_of)


def nearest(points, values=None):
    distances = ((points[:, None] - states[None]) ** 2).sum(-1)
    if values is not None:  # states of other values are out of the question
        distances = np.where(value_of[None] == values[:, None], distances, np.inf)
    return distances.argmin(1)


member = nearest(seen, group)
plt.scatter(seen[:, 0], seen[:, min(1, m - 1)], c=group, s=4)
plt.scatter(states[:, 0], states[:, min(1, m - 1)], c=value_of, marker="X", edgecolors="black")
plt.title("readings and states, coloured by the value")
plt.show()

# %% [markdown]
# # Which state to write?
#
# States say something of the other variables as well. Two states agree in that if they occur with the same combinations
# of the others, so each state gets the profile of the combinations that it occurs with.

# %%
profile = np.zeros((len(states), n_others))
np.add.at(profile, (member, rest), 1)
profile /= np.linalg.norm(profile, axis=1, keepdims=True) + 1e-9
alike = profile @ profile.T
targets = np.zeros((len(states), n_values), int)
for old in range(len(states)):
    for value in range(n_values):
        inside = np.where(value_of == value)[0]
        distance = np.linalg.norm(states[inside] - states[old], axis=1)
        # among states that agree, any will do
        targets[old, value] = old if value == value_of[old] else inside[(alike[old, inside] - 1e-3 * distance).argmax()]
print("how much states and their targets agree:", np.sort(alike[np.arange(len(states))[:, None], targets].min(1)))

# %% [markdown]
# # Does it work?
#
# The difference between two states is added in the laboratory, on prompts whose state was read.

# %%
checked = more[:N_CHECKS]
old = member[N_GRADIENTS : N_GRADIENTS + N_CHECKS]
wanted = (value_of[old] + 1 + np.arange(N_CHECKS) % (n_values - 1)) % n_values
change = (states[targets[old, wanted]] - states[old]) @ Q.numpy().T
run = lab.run(checked, patch=[lab.add(site, torch.tensor(change).float())])
after = run.outputs.flatten().long()
before = labels[N_GRADIENTS : N_GRADIENTS + N_CHECKS]
moved = (groups[after].numpy() == wanted).mean()
kept = (others[after] == others[before]).double().mean().item()
print(f"moved {moved:.3f}, kept {kept:.3f}, {lab.budget}")

# %%
code = f"""import numpy as np

BASIS = np.array({np.round(Q.T.numpy(), 4).tolist()})
POINTS = np.array({np.round(states, 4).tolist()})
VALUES = {value_of.tolist()}
TARGETS = {targets.tolist()}


def state_of(activation):
    return int(np.square(POINTS - BASIS @ activation).sum(1).argmin())


def read(activation):
    return VALUES[state_of(activation)]


def write(activation, value):
    return activation + (POINTS[TARGETS[state_of(activation)][value]] - BASIS @ activation) @ BASIS
"""
answer = {
    "code": code,
    "confidence": float(np.clip(min(moved, kept), 0.1, 0.95)),
    "summary": (
        f"Gradients lie in {m} dimensions, in which there are {len(states)} states. After {N_CHECKS} writes in the "
        f"laboratory the group was the wanted one in {moved:.2f} and all else unchanged in {kept:.2f}."
    ),
}
