"""Reference solution of circuits/mlp_only: patching, its gradient approximations, a cut by faithfulness."""

# %% [markdown]
# # Which components compute the labels?
#
# Labels stand at every position, so accuracy is counted over all of them. Source prompts are unrelated to base prompts:
# a component whose output matters carries something else there.

# %% [cells of] cells/patching.py

# %% [cells of] cells/attribution.py

# %% [cells of] cells/sweep.py

# %% [cells of] cells/finding.py

# %% [markdown]
# ## Do positions talk to each other?
#
# Only heads move anything between positions. If no head is needed, the label of a word must be the same in every
# prompt.

# %%
heads = [node for node in nodes if node.startswith("a")]
without_heads = accuracy_without(heads)
print(f"all heads resampled at once: accuracy {without_heads:.3f}")
seen = torch.zeros(model.cfg.d_vocab, model.cfg.d_vocab_out)
seen.index_put_((prompts.flatten(), labels.flatten()), torch.ones(labels.numel()), accumulate=True)
ambiguous = int(((seen > 0).sum(1) > 1).sum())
print(f"words with more than one label: {ambiguous} of {model.cfg.d_vocab}")

# %%
on_its_own = without_heads >= 0.95 * clean_accuracy and not ambiguous
display(
    Markdown(
        f"With all heads resampled at once accuracy is {without_heads:.3f}, and {ambiguous or 'no'} words have more "
        f"than one label: "
        + ("every label is computed at its own position." if on_its_own else "positions do depend on each other.")
    )
)
further = f"With all heads resampled accuracy is {without_heads:.3f}: " + (
    "every label is computed at its own position." if on_its_own else "positions depend on each other."
)

# %% [cells of] cells/answer.py
