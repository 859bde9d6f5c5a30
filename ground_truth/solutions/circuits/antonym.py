"""Reference solution of circuits/antonym: patching, its gradient approximations, a cut by faithfulness."""

# %% [markdown]
# # Which components name the opposite?
#
# Only the last position has a label. Source prompts hold other words and may ask for the other place: a component that
# matters carries something else there.

# %% [cells of] _patching.py

# %% [cells of] _attribution.py

# %% [cells of] _sweep.py

# %% [markdown]
# ## Who finds the opposite, who picks it?
#
# For every component of the circuit: the accuracy lost when it is resampled at the position of the asked word only, of
# the other word only, at the last position only. A component that works on words does so where they stand; one that
# picks the word does it at the end.

# %% [cells of] _attention.py

# %%
is_word = torch.isin(run, torch.tensor(groups["words"]))
slots = is_word.nonzero()[:, 1].view(-1, 2)
second_asked = (run[:, -1] == groups["second"][0]).long()
rows = torch.arange(len(run))
asked_word, other_word = slots[rows, second_asked], slots[rows, 1 - second_asked]
last = torch.full((len(run),), run.shape[1] - 1)


@torch.no_grad()
def lost_at(node, position):
    """Accuracy lost when a node is resampled at one position per prompt."""
    hook_name, head = place(node)

    def resample_there(value, hook):
        value, there = value.clone(), (rows, position) if head is None else (rows, position, head)
        value[there] = source_cache[hook.name][there]
        return value

    logits = model.run_with_hooks(run, fwd_hooks=[(hook_name, resample_there)])[:, labelled]
    return clean_accuracy - correct(logits).mean().item()


for node in circuit:
    print(
        f"{node}: asked word {lost_at(node, asked_word):.3f}, other word {lost_at(node, other_word):.3f}, "
        f"last position {lost_at(node, last):.3f}"
    )
show_attention({"end to asked word": (last, asked_word), "end to other word": (last, other_word)})

# %%
answer = {
    "components": circuit,
    "confidence": 0.98 if sufficient > 0.95 * clean_accuracy else 0.5,
    "nothing_found": False,
    "summary": (
        f"Keeping only {', '.join(circuit)} and resampling everything else at once leaves accuracy {sufficient:.3f}; "
        f"resampling one of them alone costs at least {min(accuracy_lost[node] for node in circuit):.2f}, any other "
        f"component at most {max(accuracy_lost[node] for node in others):.3f}. Lost at the asked word's position: "
        + ", ".join(f"{lost_at(node, asked_word):.2f} ({node})" for node in circuit)
        + "."
    ),
}
