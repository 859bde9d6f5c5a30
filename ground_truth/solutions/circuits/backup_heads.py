"""Reference solution of circuits/backup_heads: patching of every two components together."""

# %% [markdown]
# # Which components compute the answer, where some stand in for others?
#
# The question says that components may replace each other. A scan over single components is made first, to see what it
# can't see.

# %% [cells of] cells/patching.py

# %% [cells of] cells/pairwise.py

# %% [markdown]
# ## Is this all, and is all of it needed?
#
# Everything outside is resampled at once, then the circuit. And for every component of the circuit: with the rest of
# the circuit resampled, what is the accuracy if it is kept, and if it is resampled too? That is the question's own
# definition of belonging.

# %%
sufficient, destroyed = accuracy_without(others), accuracy_without(circuit)
print(f"circuit: {', '.join(circuit)}")
print(f"everything else resampled: accuracy {sufficient:.3f}; the circuit resampled: {destroyed:.3f}")
saved = {node: accuracy_without([other for other in circuit if other != node]) for node in circuit}
for node in circuit:
    print(
        f"{node}: alone costs {accuracy_lost[node]:z.3f} accuracy; as the only one kept of the circuit it leaves "
        f"{saved[node]:.3f}"
    )

# %% [cells of] cells/finding.py

# %%
display(
    Markdown(
        f"No component costs more than {max(accuracy_lost.values()):z.3f} accuracy alone. But with all of the circuit "
        f"resampled accuracy is {destroyed:.3f}, and with one of it kept at least "
        f"{min(saved.values(), default=0.0):.3f}. Found together: "
        + (
            "; ".join(
                f"`{a}` with `{b}`, without both of which the logit difference {in_words(together[a, b])} "
                f"(first {PAIRWISE} pairs)"
                for a, b in stand_ins
            )
            or "none"
        )
        + "."
    )
)

# %%
answer = {
    "components": circuit,
    "confidence": 0.95 if sufficient > 0.95 * clean_accuracy and destroyed < 0.5 * clean_accuracy else 0.4,
    "summary": (
        f"Resampling any one component costs at most {max(accuracy_lost.values()):.3f} accuracy, but resampling "
        f"{', '.join(circuit)} together leaves only {destroyed:.3f}. Keeping only them leaves {sufficient:.3f}; "
        f"keeping any single one of them, with the rest of the circuit resampled, at least "
        f"{min(saved.values(), default=0.0):.3f}."
    ),
}
