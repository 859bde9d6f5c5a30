"""Shared cells: the answer from what hypotheses believe; needs cells/lab_particles.py."""

# %% [markdown]
# ## The answer
#
# Of the sets of the likeliest components the one with the highest F1 on average over hypotheses.

# %%
order = np.argsort(-belief)
sizes = np.arange(1, N + 1)
hits = np.cumsum(beliefs[:, order], 1)
expected = (2 * hits / (sizes + beliefs.sum(1, keepdims=True))).mean(0)
chosen = np.isin(np.arange(N), order[: 1 + int(expected.argmax())])
circuit = [node for node, inside in zip(nodes, chosen, strict=True) if inside]
# a set with one component too many or too few may still count as solved where the circuit is large
near = (beliefs != chosen).sum(1) <= (1 if chosen.sum() >= 6 else 0)
weakest = min((float(p), node) for p, node in zip(belief, nodes, strict=True) if node in circuit)
strongest = max((float(p), node) for p, node in zip(belief, nodes, strict=True) if node not in circuit)
answer = {
    "components": circuit,
    "confidence": round(min(0.97, max(0.03, float(near.mean()))), 3),
    "summary": (
        f"Tests of groups on {len(results)} patched prompts, for hypotheses of up to {PARTS} parts that answer with "
        f"labels of their own. Least sure of what is named: {weakest[1]} with probability {weakest[0]:.2f}; of what is "
        f"not: {strongest[1]} with {strongest[0]:.2f}."
    ),
}
