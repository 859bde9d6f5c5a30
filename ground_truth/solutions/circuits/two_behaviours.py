"""Reference solution of circuits/two_behaviours: the prompts of one kind are found first, then patched."""

# %% [markdown]
# # Which components serve the behaviour that is asked for?
#
# The pairs mix two behaviours, and a scan over the mix finds what either needs. So the prompts of the asked kind have
# to be told apart first. The few examples show which labels they have; the position whose token decides best whether a
# prompt has one of these labels tells how the kinds are written.

# %%
import torch

OFTEN = 0.25  # not one half: a token of the asked kind may also have labels that no example shows
shown = torch.isin(labels[:, -1], asked_labels[:, -1])


def asked_rate(position):
    """Per token at a position: the share of prompts whose label is one of the examples'."""
    hits, total = torch.zeros(model.cfg.d_vocab), torch.zeros(model.cfg.d_vocab)
    hits.index_put_((prompts[:, position],), shown.float(), accumulate=True)
    total.index_put_((prompts[:, position],), torch.ones(len(prompts)), accumulate=True)
    return hits / total.clamp(min=1)


rates = [asked_rate(position) for position in range(prompts.shape[1])]
decided = [((rate[prompts[:, position]] > OFTEN) == shown).float().mean().item() for position, rate in enumerate(rates)]
deciding = max(range(len(decided)), key=lambda position: decided[position])
asking = (rates[deciding] > OFTEN).nonzero()[:, 0]
asked_rows = torch.isin(base[:, deciding], asking).nonzero()[:, 0]
print("how well a position's token tells whether the label is one of the examples':")
print(", ".join(f"{position}: {value:.3f}" for position, value in enumerate(decided)))
print(f"position {deciding} decides; asked kind: {[token_names[token] for token in asking]}, {len(asked_rows)} pairs")
print(f"of the examples {torch.isin(asked_prompts[:, deciding], asking).float().mean():.2f} are of this kind")

# %% [cells of] _patching.py

# %% [markdown]
# ## The same on prompts of the asked kind alone
#
# Sources stay mixed: a component belongs to the circuit if it matters for these prompts, whatever it is patched from.

# %%
mixed = accuracy_lost
use_pairs(asked_rows)
patching, patching_error, accuracy_lost = scan()
heat_maps(accuracy_lost_on_the_mix=mixed, accuracy_lost_on_the_asked_kind=accuracy_lost)

# %% [cells of] _attribution.py

# %% [cells of] _sweep.py

# %%
elsewhere = [node for node in others if mixed[node] > 0.1]
print(f"lose accuracy on the mix but not on the asked kind: {', '.join(elsewhere) or 'none'}")
answer = {
    "components": circuit,
    "confidence": 0.95 if sufficient > 0.95 * clean_accuracy else 0.5,
    "nothing_found": False,
    "summary": (
        f"On the {len(asked_rows)} pairs of the asked kind, told apart by the token at position {deciding}, keeping "
        f"{', '.join(circuit)} alone and resampling all else at once leaves accuracy {sufficient:.3f}; resampling one "
        f"of them alone costs at least {min(accuracy_lost[node] for node in circuit):.2f}, any other component at most "
        f"{max(accuracy_lost[node] for node in others):.3f}. Serving the other behaviour only: "
        f"{', '.join(elsewhere) or 'none'}."
    ),
}
