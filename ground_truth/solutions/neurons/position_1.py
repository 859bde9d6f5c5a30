"""Reference solution of neurons/position_1: variance explained by "the position is 1", with its sign."""

# %% [markdown]
# # Which neurons single out position 1?
#
# For every neuron I measure how much of the variance of its activation "the position is 1" explains, and whether it is
# more or less active there. Position 1 is the start of a line as well, and close to positions 2 and 3, so I look at
# those for the best neurons and the runners-up.

# %% [cells of] cells/scan.py

# %% [cells of] cells/show.py

# %%
what = f"being {question['behaviour']} at position 1"
direction, BAR = (1 if question["behaviour"] == "active" else -1), question["bar"]
feature = position == 1
print(f"{feature.sum()} of {feature.numel()} tokens stand at position 1")

# %% [cells of] cells/decision.py

# %% [markdown]
# ## Near the start, and at the start of lines
#
# The spread at position 1 (standard deviation over texts) is large for a neuron that depends on the word there.

# %%
FIRST = 7
after_newline = torch.zeros_like(feature)
after_newline[:, 1:] = tokens[:, :-1] == vocabulary.index("\n")
line_starts = after_newline & (position >= FIRST)
rest = (position >= FIRST) & ~after_newline
by_place = activations.view(n_texts, length, -1)
table(
    [*(f"position {place}" for place in range(FIRST)), "later line starts", "the rest", "spread at 1"],
    [
        (
            names[i] + (" (submitted)" if i in found else ""),
            [
                *by_place[:, :FIRST, i].mean(0).tolist(),
                *(activations[where.flatten(), i].mean().item() for where in (line_starts, rest)),
                f"{by_place[:, 1, i].std():.2f}",
            ],
        )
        for i in [*found, *below]
    ],
    f"mean activation; {line_starts.sum()} line starts from position {FIRST} on",
)

# %%
chosen = [*found[:3], *below[:3]]
show_texts(chosen, [heading(i) for i in chosen], feature, [turned_sign(i) for i in chosen], after=12)

# %% [cells of] cells/ablation.py

# %%
used_where = feature

# %% [cells of] cells/finding.py
