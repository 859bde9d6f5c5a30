"""Shared cells: what was found, in words that are made from the numbers."""

# %% [markdown]
# ## What was found

# %%
from IPython.display import Markdown, display

kept, removed = resampled(others), resampled(circuit)
kept_accuracy, kept_difference = correct(kept).mean().item(), logit_difference(kept).mean().item()
left_accuracy, left_difference = correct(removed).mean().item(), logit_difference(removed).mean().item()
alone_cost = "; ".join(
    f"`{node}` costs {accuracy_lost[node]:z.2f} accuracy and the logit difference {in_words(patching[node])}"
    for node in circuit
)
most_lost = max(others, key=lambda node: accuracy_lost[node])
most_moved = max(others, key=lambda node: abs(patching[node]))
enough = kept_accuracy >= 0.95 * clean_accuracy
nothing_left = left_accuracy <= no_node_accuracy + 0.05
display(
    Markdown(
        f"On {len(run)} pairs, with accuracy {clean_accuracy:.3f} and a logit difference of {clean_difference:.2f}, "
        f"the circuit is {', '.join(f'`{node}`' for node in circuit) or 'empty'}. Resampled alone: "
        f"{alone_cost or 'nothing'}. "
        f"Of the other components none costs more than {accuracy_lost[most_lost]:z.2f} accuracy; the logit difference "
        f"moves most with `{most_moved}`, without which it {in_words(patching[most_moved])}. The circuit alone keeps "
        f"accuracy {kept_accuracy:.3f} and a logit difference of {kept_difference:z.2f}: it is "
        f"{'enough' if enough else 'not enough'}. Without it accuracy is {left_accuracy:.3f} and the logit difference "
        f"{left_difference:z.2f}: {'no' if nothing_left else 'still some'} more than with every component resampled "
        f"({no_node_accuracy:.3f})."
    )
)
