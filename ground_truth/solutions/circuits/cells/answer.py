"""Shared cells: the answer, with the circuit's numbers and what was found besides (`further`)."""

# %%
needed, spare = min(accuracy_lost[node] for node in circuit), max(accuracy_lost[node] for node in others)
answer = {
    "components": circuit,
    "confidence": 0.98 if sufficient > 0.95 * clean_accuracy else 0.5,
    "summary": (
        f"Keeping only {', '.join(circuit)} and resampling everything else at once leaves accuracy {sufficient:.3f}; "
        f"resampling one of them alone costs at least {needed:.2f}, any other component at most {spare:z.3f}. {further}"
    ),
}
