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
shown = torch.isin(labels, asked_labels)


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

# %% [cells of] cells/patching.py

# %% [markdown]
# ## The same on prompts of the asked kind alone
#
# The maps above are of the mix. Sources stay mixed: a component belongs to the circuit if it matters for these prompts,
# whatever it is patched from.

# %%
mixed = accuracy_lost
use_pairs(asked_rows)
patching, patching_error, accuracy_lost = scan()
heat_maps({"logit difference lost, asked kind": patching}, {"accuracy lost, asked kind": accuracy_lost})

# %% [cells of] cells/attribution.py

# %% [cells of] cells/sweep.py

# %% [cells of] cells/finding.py

# %% [markdown]
# ## What the rest of the mix needs
#
# Components outside the circuit may cost accuracy on the mix: they change labels of the other behaviour. Some may still
# move the logit difference on the asked kind, so what they do there is told beside it.

# %%
elsewhere = [node for node in others if mixed[node] > 0.1]
for node in elsewhere:
    print(
        f"{node}: costs {mixed[node]:.3f} accuracy on the mix, {accuracy_lost[node]:z.3f} on the asked kind, where the "
        f"logit difference {in_words(patching[node])}"
    )
if elsewhere:
    moving = max(elsewhere, key=lambda node: abs(patching[node]))
    rest = (
        f"accuracy on the mix, hence of the other behaviour, hangs on {', '.join(elsewhere)}. None of them costs more "
        f"than {max(accuracy_lost[node] for node in elsewhere):z.3f} accuracy on the asked kind. The logit difference "
        f"there ({clean_difference:.2f}) moves most without {moving}: it {in_words(patching[moving])} "
        f"({abs(patching[moving]) / clean_difference:.0%})."
    )
else:
    rest = "no component costs more than 0.1 accuracy on the mix."
display(Markdown(f"Outside the circuit, {rest}"))

# %%
answer = {
    "components": circuit,
    "confidence": 0.95 if sufficient > 0.95 * clean_accuracy else 0.5,
    "summary": (
        f"On the {len(asked_rows)} pairs of the asked kind, told apart by the token at position {deciding}, keeping "
        f"{', '.join(circuit)} alone and resampling all else at once leaves accuracy {sufficient:.3f}; resampling one "
        f"of them alone costs at least {min(accuracy_lost[node] for node in circuit):.2f}, any other component at most "
        f"{max(accuracy_lost[node] for node in others):z.3f}. Outside the circuit, {rest}"
    ),
}
