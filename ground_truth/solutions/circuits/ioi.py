"""Reference solution of circuits/ioi: patching, its gradient approximations, a cut by faithfulness."""

# %% [markdown]
# # Which components name the receiver?
#
# Only the last position has a label. Source prompts tell of other people and may repeat the name in the other place: a
# component that matters carries something else there.

# %% [cells of] _patching.py

# %% [cells of] _attribution.py

# %% [cells of] _sweep.py

# %% [markdown]
# ## Where the heads of the circuit look
#
# In GPT-2 small (Wang et al. 2022, arXiv 2211.00593) the heads that do this are told apart by their attention:
# duplicate-token heads look from the repeated name to its first mention, S-inhibition heads from the end to the
# repeated name, name movers from the end to the name that is to be said. The same places are read here.

# %% [cells of] _attention.py

# %%
is_name = torch.isin(run, torch.tensor(groups["names"]))
first, second, repeated = is_name.nonzero()[:, 1].view(-1, 3).T
rows = torch.arange(len(run))
first_is_repeated = run[rows, first] == run[rows, repeated]
subject, receiver = torch.where(first_is_repeated, first, second), torch.where(first_is_repeated, second, first)
last = torch.full((len(run),), run.shape[1] - 1)
show_attention(
    {
        "repeated name to its first mention": (repeated, subject),
        "to the other name": (repeated, receiver),
        "end to the repeated name": (last, repeated),
        "to its first mention": (last, subject),
        "to the other name ": (last, receiver),
    }
)

# %% [markdown]
# ## Who carries the place, who the name?
#
# In half of the pairs the source's answer stands in the same place (first or second name) as the base's. A component
# that only carries the place has nothing wrong to say there, so it loses accuracy on the other half alone; one that
# carries the name loses it on both.

# %%
with torch.no_grad():
    source_first = torch.isin(taken_from, torch.tensor(groups["names"])).nonzero()[:, 1].view(-1, 3)
    source_repeats_first = taken_from[rows, source_first[:, 0]] == taken_from[rows, source_first[:, 2]]
same_place = source_repeats_first == first_is_repeated
for node in circuit:
    right = correct(resampled([node]))
    print(
        f"{node} resampled: accuracy {right[same_place].mean():.3f} where the source's answer has the same place, "
        f"{right[~same_place].mean():.3f} where it has the other"
    )

# %%
answer = {
    "components": circuit,
    "confidence": 0.98 if sufficient > 0.95 * clean_accuracy else 0.5,
    "nothing_found": False,
    "summary": (
        f"Keeping only {', '.join(circuit)} and resampling everything else at once leaves accuracy {sufficient:.3f}; "
        f"resampling one of them alone costs at least {min(accuracy_lost[node] for node in circuit):.2f}, any other "
        f"component at most {max(accuracy_lost[node] for node in others):.3f}. What each carries follows from pairs "
        f"with the answer in the same or in the other place and from attention."
    ),
}
