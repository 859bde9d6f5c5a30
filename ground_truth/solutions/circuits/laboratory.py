"""Reference solution of the circuit tasks in a laboratory, where every component of the circuit is needed."""

# %% [markdown]
# # Which components make up the circuit?
#
# Every component of the circuit is needed by itself, and all others can be resampled at once. So the answer stays right
# exactly where a group holds no component of the circuit: a group test.

# %%
asked = "asked_prompts" in globals()  # of several behaviours, one is asked for
pool, pool_labels = (asked_prompts, asked_labels) if asked else (base, base_labels)
donors, donor_labels = source, source_labels

# %% [cells of] cells/lab_testing.py

# %% [cells of] cells/lab_sets.py

# %% [cells of] cells/lab_bayes.py

# %%
circuit = name_of(int(weights.argmax()))
shown = {}
for group, _, _, seen in history:
    inside = [nodes[i] for i in group]
    hits = [node for node in inside if node in circuit]
    shown.setdefault(tuple(hits), []).append(seen)
without = shown.get((), [])
print(f"groups without any of {circuit}: {sum(without)} of {len(without)} answers changed")
answer = {
    "components": circuit,
    "confidence": round(min(0.98, float(weights.max())), 3),
    "summary": (
        f"Group tests on {len(history)} patched prompts: {', '.join(circuit)} has probability {weights.max():.3f} "
        f"among all sets of up to {LARGEST} components. With none of them in the group, {sum(without)} of "
        f"{len(without)} answers changed."
    ),
}
