"""Reference solution of variables/algorithm in a laboratory: Bayes' rule for the tree, then for each sum's heads."""

# %% [markdown]
# # What one experiment says
#
# The model says a label that is drawn, so a result has a likelihood. What the model says without interference is known
# for every prompt: base prompts need no run of their own. A few source prompts are run once, for all experiments.

# %%
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import torch

rng = np.random.default_rng(0)
start = lab.budget
n_layers, n_heads = lab.shape["n_layers"], lab.shape["n_heads"]
n_values, n_terms = len(labels), len(positions)
SOURCES = 16
pool = generate(SOURCES, 1)
donors = lab.run(pool)
order = labels.argsort()  # the sum of a label
drawn = donors.outputs
RIGHT = 0.75
print(f"{(drawn == function(pool)).float().mean():.2f} of the draws are the known label; {lab.budget}")


def terms_of(prompts):
    """The value at each of the positions."""
    return torch.stack([values[i, prompts[:, position]] for i, position in enumerate(positions)], 1).numpy()


def likelihood(total):
    """The probability of each label where the sum is `total`."""
    table = np.full((*np.shape(total), n_values), (1 - RIGHT) / (n_values - 1))
    np.put_along_axis(table, labels.numpy()[np.asarray(total) % n_values][..., None], RIGHT, -1)
    return table


def told(weights, table):
    """Bits that a result is expected to say about what has these weights; rows of `table` are its hypotheses."""
    mean = weights @ table
    return (-(mean * np.log2(mean)).sum() + weights @ (table * np.log2(table)).sum(1)).item()


pool_terms = terms_of(pool)
bases = generate(2000, 2)
base_terms = terms_of(bases)


def experiment(row, donor, heads):
    """The label of a base prompt with heads from a source prompt, or None where the budget is spent."""
    patch = [lab.interchange(head, donors, prompt=[donor]) for head in heads]
    if lab.price(bases[row : row + 1], patch=patch).price > lab.budget.left:
        return None
    return int(lab.run(bases[row : row + 1], patch=patch).outputs[0])


# %% [markdown]
# # Along which tree?
#
# Patching all heads of a layer exchanges all sums that it carries: a tree says which. All trees are compared. Two pairs
# in the same layer are told apart by patching half of its heads, which exchanges each of them about every other time.


# %%
def trees(parts):
    """The sums of all binary trees over some terms, the whole included."""
    if len(parts) == 1:
        return [frozenset()]
    first, *others = parts
    found = []
    for size in range(len(others)):
        for more in combinations(others, size):
            left = (first, *more)
            right = tuple(part for part in others if part not in more)
            found += [one | other | {frozenset(parts)} for one in trees(left) for other in trees(right)]
    return found


whole = frozenset(range(n_terms))
every = [sorted(tree - {whole}, key=lambda s: (len(s), sorted(s))) for tree in trees(tuple(range(n_terms)))]
print(len(every), "trees")


def moved(sums):
    """Which terms are the source's when these sums are exchanged."""
    mask = np.zeros(n_terms, bool)
    for one in sums:
        mask[list(one)] = True
    return mask


CANDIDATES = 150
log_tree = np.zeros(len(every))
HALF = "half of layer 1"
layer_sets = [(layer,) for layer in range(1, n_layers)] + [(a, b) for a in range(1, n_layers) for b in range(1, a)]
masks = {s: np.array([moved([u for u in t if len(u) - 1 in s]) for t in every]) for s in layer_sets}
in_layer_1 = [[u for u in t if len(u) == 2] for t in every]
some_of = [[c for size in range(len(u) + 1) for c in combinations(u, size)] for u in in_layer_1]
half_masks = [np.array([moved(c) for c in cases]) for cases in some_of]


def tree_table(chosen, row, donor):
    """The probability of each label for every tree."""
    if chosen != HALF:
        return likelihood(np.where(masks[chosen], pool_terms[donor], base_terms[row]).sum(1))
    totals = [np.where(mask, pool_terms[donor], base_terms[row]).sum(1) for mask in half_masks]
    return np.stack([likelihood(total).mean(0) for total in totals])


while True:
    weights = np.exp(log_tree - log_tree.max())
    weights /= weights.sum()
    if weights.max() > 0.995:
        break
    best = (-1.0,)
    for _ in range(CANDIDATES):
        row, donor = rng.integers(len(bases)), rng.integers(SOURCES)
        chosen = [*layer_sets, HALF][rng.integers(len(layer_sets) + 1)]
        table = tree_table(chosen, row, donor)
        best = max(best, (told(weights, table), row, donor, chosen, table), key=lambda one: one[0])
    _, row, donor, chosen, table = best
    half = rng.permutation(n_heads)[: n_heads // 2]
    patched = [(1, head) for head in half] if chosen == HALF else [(a, head) for a in chosen for head in range(n_heads)]
    said = experiment(row, donor, [f"a{layer}.h{head}" for layer, head in patched])
    if said is None:
        break
    log_tree += np.log(table[:, said])
tree = every[int(weights.argmax())]
print([[positions[i] for i in sorted(one)] for one in tree], f"probability {weights.max():.3f}; {lab.budget}")

# %% [markdown]
# # Which heads?
#
# Three heads carry a sum, or one; patching a part of them may do nothing. For each sum all sets of up to three heads of
# its layer are compared, and how many of them have to be patched. Each experiment patches about half of the heads.

# %%
SETS = [(one, need) for size in (1, 2, 3) for one in combinations(range(n_heads), size) for need in range(1, size + 1)]
member = np.zeros((len(SETS), n_heads))
for i, (one, _) in enumerate(SETS):
    member[i, list(one)] = 1
needed = np.array([need for _, need in SETS])
sizes = member.sum(1)
prior = -np.log([np.sum((sizes == size) & (needed == need)) for size, need in zip(sizes, needed, strict=True)])
log_heads = [prior.copy() for _ in tree]


def normal(log):
    weights = np.exp(log - log.max())
    return weights / weights.sum()


patterns = np.array(list(np.ndindex(*[2] * len(tree))))  # which of the sums are exchanged
pattern_masks = np.array([moved([one for one, on in zip(tree, row, strict=True) if on]) for row in patterns])
taken, history = 0, []
while True:
    weights = [normal(log) for log in log_heads]
    if min(one.max() for one in weights) > 0.97:
        break
    best = (-1.0,)
    for _ in range(CANDIDATES):
        group = rng.random((n_layers, n_heads)) < rng.uniform(0.15, 0.8)
        effect = [member @ group[len(one) - 1] >= needed for one in tree]
        chances = np.array([w @ e for w, e in zip(weights, effect, strict=True)])
        joint = np.where(patterns, chances, 1 - chances).prod(1)
        row, donor = rng.integers(len(bases)), rng.integers(SOURCES)
        table = likelihood(np.where(pattern_masks, pool_terms[donor], base_terms[row]).sum(1))
        best = max(best, (told(joint, table), row, donor, group, effect, chances, table), key=lambda one: one[0])
    _, row, donor, group, effect, chances, table = best
    heads = [f"a{layer}.h{head}" for layer in range(1, n_layers) for head in range(n_heads) if group[layer, head]]
    said = experiment(row, donor, heads)
    if said is None:
        break
    taken += 1
    for i in range(len(tree)):
        others = np.where(patterns, chances, 1 - chances)
        others[:, i] = 1.0
        rest = others.prod(1)
        by_effect = [(rest * table[:, said])[patterns[:, i] == on].sum() for on in (0, 1)]
        log_heads[i] += np.log(np.where(effect[i], by_effect[1], by_effect[0]))
    history.append([normal(log).max() for log in log_heads])
print(f"{taken} experiments; {start.left - lab.budget.left} of {start.total} spent, {lab.budget} now")

# %%
for i, one in enumerate(tree):
    plt.plot([row[i] for row in history], label="+".join(str(positions[j]) for j in sorted(one)))
plt.xlabel("experiment")
plt.ylabel("probability of the likeliest set of heads")
plt.legend()
plt.show()

# %% [markdown]
# # Answer
#
# A head is named where it is more likely than not that it carries the sum.

# %%
carriers, shares = [], []
for one, log in zip(tree, log_heads, strict=True):
    chance = normal(log) @ member
    heads = [head for head in range(n_heads) if chance[head] > 0.5]
    shares.append(normal(log).max())
    print(sorted(positions[i] for i in one), [f"{head}: {chance[head]:.2f}" for head in np.argsort(-chance)[:5]])
    carriers.append(
        {"positions": [positions[i] for i in sorted(one)], "heads": [f"a{len(one) - 1}.h{head}" for head in heads]}
    )
sure = float(np.exp(log_tree - log_tree.max()).max() / np.exp(log_tree - log_tree.max()).sum())
answer = {
    "carriers": carriers,
    "confidence": round(min(0.97, sure * float(np.mean(shares))), 3),
    "summary": (
        f"All {len(every)} trees were compared by exchanging whole layers (probability {sure:.3f}), then all sets of "
        f"up to three heads for each sum in {taken} experiments with half of the heads."
    ),
}
