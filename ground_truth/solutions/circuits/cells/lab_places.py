"""Shared cells: donors in which the answer comes from elsewhere; needs cells/lab_testing.py."""

# %% [markdown]
# ## What prompts say for free
#
# Which token stands in all prompts with a label, and in few others? Where it stands in a prompt is where the answer
# comes from. A donor in which that is elsewhere brings along another value of what chooses the place, too, and not by
# chance the same.

# %%
known, known_labels = torch.cat([prompts, base, source]), torch.cat([labels, base_labels, source_labels])
stands = torch.zeros(len(known), len(token_names)).scatter_(1, known, 1.0)
cue = torch.full((len(label_names),), -1)
for label in known_labels.unique().tolist():
    within = stands[known_labels == label].mean(0)
    best = int((within - stands.mean(0)).argmax())
    if within[best] > 0.95:
        cue[label] = best


def places(tokens, right):
    """Where the token stands that the answer goes with; -1 where there is none."""
    found = tokens == cue[right][:, None]
    return torch.where(found.any(1), found.int().argmax(1), -1)


pool_places, donor_places = places(pool, pool_labels), places(donors, donor_labels[:n_donors])
print(f"{int((cue >= 0).sum())} labels go with a token; it stands at {sorted(set(pool_places.tolist()))}")


def donor_for(row):
    """A donor with another answer, from elsewhere in its prompt where there is one."""
    other = donor_labels[:n_donors] != pool_labels[row]
    for wanted in (other & (donor_places != pool_places[row]), other):
        if wanted.any():
            return int(rng.choice(wanted.nonzero()[:, 0].numpy()))
    return int(rng.integers(n_donors))
