"""Reference solution of circuits/ioi: patching, its gradient approximations, a cut by faithfulness."""

# %% [markdown]
# # Which components name the receiver?
#
# Only the last position has a label. Source prompts tell of other people and may repeat the name in the other place: a
# component that matters carries something else there.

# %% [cells of] cells/patching.py

# %% [cells of] cells/attribution.py

# %% [cells of] cells/sweep.py

# %% [cells of] cells/finding.py

# %% [markdown]
# ## Where the heads of the circuit look
#
# In GPT-2 small (Wang et al. 2022, arXiv 2211.00593) the heads that do this are told apart by their attention:
# duplicate-token heads look from the repeated name to its first mention, S-inhibition heads from the end to the
# repeated name, name movers from the end to the name that is to be said. Another model need not do it that way. And
# attention means something only where a head's output matters. So every component of the circuit is first resampled at
# the names and the end, one at a time; where that costs more than 0.1 accuracy, its attention is read.

# %% [cells of] cells/attention.py

# %%
is_name = torch.isin(run, torch.tensor(groups["names"]))
first, second, repeated = is_name.nonzero()[:, 1].view(-1, 3).T
first_is_repeated = run[rows, first] == run[rows, repeated]
subject, receiver = torch.where(first_is_repeated, first, second), torch.where(first_is_repeated, second, first)
named = {"the first mention of the repeated name": subject, "the other name": receiver, "the repeated name": repeated}
taken = {position for positions in (*named.values(), last) for position in positions.tolist()}
free = [position for position in range(run.shape[1]) if position not in taken]
spots = {**named, "the end": last, **{f"position {position}": torch.full_like(last, position) for position in free}}
KNOWN = {
    ("the repeated name", "the first mention of the repeated name"): "as duplicate-token heads do",
    ("the end", "the repeated name"): "as S-inhibition heads do",
    ("the end", "the other name"): "as name movers do",
}
lost = {node: {spot: lost_at(node, spots[spot]) for spot in (*named, "the end")} for node in circuit}


def looks(node, spot):
    """Where a head attends most from a spot, and whether heads of a known kind do so."""
    seen = {other: attends(node, spots[spot], position) for other, position in spots.items()}
    most = max(seen, key=seen.get)
    if seen[most] < 0.5:
        return f"from where no place gets half of its attention (most: {most}, {seen[most]:.2f})"
    kind = KNOWN.get((spot, most))
    aim = "that position itself" if most == spot else most
    return f"from where it attends most to {aim} ({seen[most]:.2f}{f', {kind}' if kind else ''})"


def reading(node):
    """At which positions a component's output matters, and for a head where it attends from there."""
    ranked = sorted(lost[node], key=lambda spot: -lost[node][spot])
    where = [spot for spot in ranked if lost[node][spot] > 0.1] or ranked[:1]
    parts = [
        f"{lost[node][spot]:.2f} at {spot}" + (f", {looks(node, spot)}" if node.startswith("a") else "")
        for spot in where
    ]
    return f"costs {accuracy_lost[node]:.2f} accuracy at all positions together; {'; '.join(parts)}"


readings = {node: reading(node) for node in circuit}
for node in circuit:
    print(f"{node} {readings[node]}")

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
carries = {}
for node in circuit:
    right = correct(resampled([node]))
    same, other = right[same_place].mean().item(), right[~same_place].mean().item()
    print(
        f"{node} resampled: accuracy {same:.3f} where the source's answer has the same place, {other:.3f} where it has "
        "the other"
    )
    if same >= 0.95 * clean_accuracy > other:
        carries[node] = f"carries the place only (accuracy {same:.2f} with the same place, {other:.2f} with the other)"
    else:
        carries[node] = (
            f"carries more than the place (accuracy {same:.2f} with the same place, {other:.2f} with the other)"
        )

# %%
display(Markdown("\n".join(f"- `{node}` {carries[node]}. It {readings[node]}." for node in circuit)))
further = " ".join(f"{node} {carries[node]}; it {readings[node]}." for node in circuit)

# %% [cells of] cells/answer.py
