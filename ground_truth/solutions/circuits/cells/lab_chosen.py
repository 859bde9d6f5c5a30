"""Shared cells: the answer from what hypotheses believe; needs cells/lab_particles.py."""

# %%
chosen = belief > 0.5
circuit = [node for node, inside in zip(nodes, chosen, strict=True) if inside] or [nodes[int(belief.argmax())]]
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
