"""Shared cells: resample activation patching of every two nodes together."""

# %% [markdown]
# ## Two components at a time
#
# Where components stand in for each other, resampling one shows nothing: the other repairs it. So every two are
# resampled together, and from the fall of the logit difference the falls of the two alone are subtracted. What is left
# is what either hides about the other. An effect counts as large from a tenth of the logit difference without patches.
# Pairs of components are many, so only the first prompts are used here: effects of one component alone can differ a
# little from those above.

# %%
from itertools import combinations

PAIRWISE = 50
LARGE = 0.1 * clean_difference
before = logit_difference(clean)[:PAIRWISE]


def fall_of(chosen):
    return (before - logit_difference(resampled(chosen, PAIRWISE))).mean().item()


alone = {node: fall_of([node]) for node in nodes}
together = {two: fall_of(two) for two in combinations(nodes, 2)}
hidden = {(a, b): fall - alone[a] - alone[b] for (a, b), fall in together.items()}

grid = np.zeros((len(nodes), len(nodes)))
for (a, b), value in hidden.items():
    grid[nodes.index(a), nodes.index(b)] = grid[nodes.index(b), nodes.index(a)] = value
figure, axes = plt.subplots(figsize=(6, 5))
limit = max(np.abs(grid).max(), LARGE)
image = axes.imshow(grid, cmap="RdBu", vmin=-limit, vmax=limit)
axes.set_xticks(range(len(nodes)), nodes, rotation=90, fontsize=7)
axes.set_yticks(range(len(nodes)), nodes, fontsize=7)
axes.set_title("fall of two together, beyond their own")
figure.colorbar(image)
plt.show()

# %%
print(f"fall of the logit difference on the first {PAIRWISE} of {len(run)} pairs (below zero: it rises)")
for a, b in sorted(hidden, key=lambda two: -abs(hidden[two]))[:5]:
    print(f"{a} and {b}: together {together[a, b]:+z.2f}, alone {alone[a]:+z.2f} and {alone[b]:+z.2f}")
single = [node for node in nodes if abs(patching[node]) >= LARGE]
stand_ins = [two for two in sorted(hidden, key=lambda two: -abs(hidden[two])) if abs(hidden[two]) >= LARGE]
circuit = sorted({*single, *(node for two in stand_ins for node in two)})
others = [node for node in nodes if node not in circuit]
print(f"large (from {LARGE:.2f}) alone, on all {len(run)} pairs: {', '.join(single) or 'none'}")
print(f"large together, on the first {PAIRWISE}: {', '.join(f'{a} with {b}' for a, b in stand_ins) or 'none'}")
