"""Reference solution of circuits/attention_pattern: patching, its gradient approximations, a cut by faithfulness."""

# %% [markdown]
# # Which components compute the answer?
#
# Only the last position has a label. The rule is not told, so source prompts are simply other prompts: a component
# that matters carries something else there.

# %% [cells of] cells/patching.py

# %% [cells of] cells/attribution.py

# %% [cells of] cells/sweep.py

# %% [cells of] cells/finding.py

# %% [markdown]
# ## Where the heads of the circuit look
#
# Every prompt holds one special token. Does a word near it decide the answer? For each place the share of prompts is
# counted whose label is the commonest one of the word in that place. Then attention is read around the word right after
# the special token.

# %% [cells of] cells/attention.py

# %%
special = groups["special"][0]


def consistency(offset):
    """Share of prompts with the commonest label of the word that stands `offset` after the special token."""
    at = (prompts == special).long().argmax(1)
    inside = (at + offset > 0) & (at + offset < prompts.shape[1] - 1)
    words = prompts[torch.arange(len(prompts)), (at + offset).clamp(0, prompts.shape[1] - 1)]
    counts = torch.zeros(model.cfg.d_vocab, model.cfg.d_vocab_out)
    counts.index_put_((words[inside], labels[inside]), torch.ones(int(inside.sum())), accumulate=True)
    return (counts.max(1).values.sum() / counts.sum()).item()


decides = {offset: consistency(offset) for offset in (-2, -1, 1, 2)}
for offset, share in decides.items():
    print(f"word at offset {offset:+d} from the special token decides {share:.3f} of the labels")
marker = (run == special).long().argmax(1)
attention = show_attention(
    {
        "end to special": (last, marker),
        "end to the word after it": (last, marker + 1),
        "word after it to special": (marker + 1, marker),
    }
)

# %%
runner_up = max((offset for offset in decides if offset != 1), key=lambda offset: decides[offset])
strongest = {node: max(read, key=read.get) for node, read in attention.items()}
display(
    Markdown(
        f"The word right after the special token decides {decides[1]:.2f} of the labels; the next best place, offset "
        f"{runner_up:+d}, decides {decides[runner_up]:.2f}. Of the attention that was read, the largest is: "
        + (
            "; ".join(f"`{node}` from {name} ({attention[node][name]:.2f})" for node, name in strongest.items())
            or "none"
        )
        + "."
    )
)
further = f"The word right after the special token decides {decides[1]:.2f} of the labels."

# %% [cells of] cells/answer.py
