"""Reference solution of circuits/suppressor in a laboratory: labels say who supports, logits who suppresses."""

# %% [markdown]
# # Which components raise the right answer, and which lower it?
#
# Where the component that raises the right label is resampled, another label wins. Suppressors stand in for each other,
# and the answer stays right without them, but with both resampled the right label stands out more: its logit, less the
# mean of all, rises. So one prompt has three results: another label, the same label by a much larger margin, or
# nothing new. (Half of the usual margin is large: without one of two suppressors it rises too, but less.)

# %%
pool, pool_labels, donors, donor_labels = base, base_labels, source, source_labels

# %% [cells of] cells/lab_testing.py

# %%
clean = lab.run(pool[:24])
pool, pool_labels = pool[:24], pool_labels[:24]


def margins(logits, rows):
    """The right label's logit, less the mean of all, for each prompt."""
    return logits.gather(-1, pool_labels[rows][:, None])[:, 0] - logits.mean(-1)


everything = list(range(len(pool)))
usual = margins(clean.logits, everything)
LARGE = 0.5 * float(usual.mean())
print(f"the right label's margin: {usual.mean():.2f}, between {usual.min():.2f} and {usual.max():.2f}")

# %% [markdown]
# Circuits that can be: one component that supports, and one or two others that suppress together.

# %%
import itertools
import math

SAME, RAISED, OTHER = range(3)
bits = 1 << np.arange(len(nodes), dtype=np.int64)
supporter, suppressors, log_prior = [], [], []
for i in range(len(nodes)):
    rest = [j for j in range(len(nodes)) if j != i]
    for size, weight in ((1, 0.2), (2, 1.0)):
        for chosen in itertools.combinations(rest, size):
            supporter.append(bits[i])
            suppressors.append(bits[list(chosen)].sum())
            log_prior.append(math.log(weight / math.comb(len(rest), size)))
supporter, suppressors, log_prior = (np.array(values) for values in (supporter, suppressors, log_prior))
#: [what the group holds, what is seen]
SEES = np.array([[0.93, 0.04, 0.03], [0.15, 0.82, 0.03], [0.25, 0.05, 0.70]])


def predicted(group, which):
    inside = bits[group].sum()
    raised = (suppressors[which] & inside) == suppressors[which]
    return np.where((supporter[which] & inside) != 0, OTHER, np.where(raised, RAISED, SAME))


def seen_of(rows, run):
    change = margins(run.logits, rows) - usual[rows]
    other = (answers(run) != pool_labels[rows]) | (change < -LARGE)
    return torch.where(other, OTHER, torch.where(change > LARGE, RAISED, SAME)).tolist()


def name_of(i):
    roles = {node: "supports" for node, bit in zip(nodes, bits, strict=True) if supporter[i] & bit}
    return roles | {node: "suppresses" for node, bit in zip(nodes, bits, strict=True) if suppressors[i] & bit}


# %% [cells of] cells/lab_bayes.py

# %%
roles = name_of(int(weights.argmax()))
counts = [sum(seen == kind for *_, seen in history) for kind in (SAME, RAISED, OTHER)]
answer = {
    "roles": roles,
    "confidence": round(min(0.98, float(weights.max())), 3),
    "summary": (
        f"Group tests on {len(history)} patched prompts, in {counts[OTHER]} of which another label won, in "
        f"{counts[RAISED]} the right one rose: {', '.join(f'{node} {role}' for node, role in roles.items())} has "
        f"probability {weights.max():.3f} among all circuits of one component that supports and up to two that "
        "suppress."
    ),
}
