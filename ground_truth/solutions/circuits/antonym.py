"""Reference solution of circuits/antonym: patching, its gradient approximations, a cut by faithfulness."""

# %% [markdown]
# # Which components name the opposite?
#
# Only the last position has a label. Source prompts hold other words and may ask for the other place: a component that
# matters carries something else there.

# %% [cells of] cells/patching.py

# %% [cells of] cells/attribution.py

# %% [cells of] cells/sweep.py

# %% [cells of] cells/finding.py

# %% [markdown]
# ## Who finds the opposite, who picks it?
#
# For every component of the circuit: the accuracy lost when it is resampled at the position of the asked word only, of
# the other word only, at the last position only. A component that works on words does so where they stand; one that
# picks the word does it at the end.

# %% [cells of] cells/attention.py

# %%
is_word = torch.isin(run, torch.tensor(groups["words"]))
slots = is_word.nonzero()[:, 1].view(-1, 2)
second_asked = (run[:, -1] == groups["second"][0]).long()
asked_word, other_word = slots[rows, second_asked], slots[rows, 1 - second_asked]
lost = {
    node: {
        "the asked word": lost_at(node, asked_word),
        "the other word": lost_at(node, other_word),
        "the last position": lost_at(node, last),
    }
    for node in circuit
}
for node in circuit:
    print(f"{node}: " + ", ".join(f"{name} {value:z.3f}" for name, value in lost[node].items()))
attention = show_attention({"end to asked word": (last, asked_word), "end to other word": (last, other_word)})

# %%
works_at = {node: max(lost[node], key=lost[node].get) for node in circuit}
parts = [f"`{node}` costs most at {works_at[node]} ({lost[node][works_at[node]]:.2f} accuracy)" for node in circuit]
parts += [
    f"from the end `{node}` attends {read['end to asked word']:.2f} to the asked word and "
    f"{read['end to other word']:.2f} to the other"
    for node, read in attention.items()
    if works_at[node] == "the last position"
]
display(Markdown(f"Resampled at one position only: {'; '.join(parts)}."))
at_asked = ", ".join(f"{lost[node]['the asked word']:z.2f} ({node})" for node in circuit)
further = f"Lost at the asked word's position: {at_asked}."

# %% [cells of] cells/answer.py
