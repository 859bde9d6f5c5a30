"""Reference solution of the circuit tasks in a laboratory, where components may stand in for each other."""

# %% [markdown]
# # Which components make up the circuit, if some stand in for others?
#
# A component that another one stands in for shows nothing by itself: the answer changes only where a group holds both.
# One that nothing stands in for changes it by itself. So a circuit is a pair, and up to two components besides.

# %%
pool, pool_labels, donors, donor_labels = base, base_labels, source, source_labels

# %% [cells of] cells/lab_testing.py

# %%
import itertools
import math

CHANGES, NEEDED = 0.6, 0.05
bits = 1 << np.arange(len(nodes), dtype=np.int64)
needed, pairs, log_prior = [], [], []
for size in range(3):
    for chosen in itertools.combinations(range(len(nodes)), size):
        for pair in itertools.combinations(sorted(set(range(len(nodes))) - set(chosen)), 2):
            needed.append(bits[list(chosen)].sum() if chosen else 0)
            pairs.append(bits[list(pair)].sum())
            log_prior.append(size * math.log(NEEDED))
needed, pairs, log_prior = (np.array(values) for values in (needed, pairs, log_prior))
#: [does the group hold the pair or one that is needed?, did the answer change?]
changed = CHANGES + (1 - CHANGES) * WRONG
SEES = np.array([[1 - WRONG, WRONG], [1 - changed, changed]])


def predicted(group, which):
    inside = bits[group].sum()
    return (((needed[which] & inside) != 0) | ((pairs[which] & inside) == pairs[which])).astype(int)


def seen_of(rows, run):
    return (share_wrong(answers(run), pool_labels[rows]) > MANY).int().tolist()


def name_of(i):
    return [node for node, bit in zip(nodes, bits, strict=True) if (needed[i] | pairs[i]) & bit]


# %% [cells of] cells/lab_bayes.py

# %%
found = int(weights.argmax())
circuit = name_of(found)
pair = [node for node, bit in zip(nodes, bits, strict=True) if pairs[found] & bit]
both = [seen for group, _, _, seen in history if {number[node] for node in pair} <= set(group)]
one = [seen for group, _, _, seen in history if len({number[node] for node in pair} & set(group)) == 1]
print(f"groups with both of {pair}: {sum(both)} of {len(both)} answers changed; with one: {sum(one)} of {len(one)}")
answer = {
    "components": circuit,
    "confidence": round(min(0.98, float(weights.max())), 3),
    "summary": (
        f"Group tests on {len(history)} patched prompts: {', '.join(circuit)} has probability {weights.max():.3f}. "
        f"With both of {' and '.join(pair)} resampled {sum(both)} of {len(both)} answers changed, with one of them "
        f"{sum(one)} of {len(one)}."
    ),
}
