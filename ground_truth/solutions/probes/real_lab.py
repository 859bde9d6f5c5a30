"""Reference solution of the probe tasks on a real model in a laboratory: few places, many statements."""

# %% [markdown]
# # What can be read from a real model, with few tokens
# A probe has to work on entities it was not fitted on, and it may be that there is none. Four sites of a run are
# included in its price, so a statement costs its tokens for four places. The token before the full stop ends the
# statement's last word, and what a model knows is mostly found from a sixth to three fifths of its depth.

# %%
import numpy as np

statement_tokens = lab.tokenize(statements)
lengths = np.array([len(row) for row in statement_tokens])
truth, block = np.array(labels), np.array(blocks)
price = int(lengths.sum())
for row in range(4):
    print(statements[row], "->", labels[row], "block", blocks[row])
print(f"{len(statements)} statements of {lengths.min()} to {lengths.max()} tokens; all of them at four places: {price}")
print(lab.budget)

# %% [cells of] cells/real_fits.py

# %% [markdown]
# ## Controls
# Counts of tokens, and untrained models, which cost nothing: they only have to have the shape of the laboratory's. So
# all statements can be taken, and several such models. A few random blocks are enough, since each adds as little as any
# other. The largest of many accuracies would be too large by luck, so what counts is their mean.

# %%
import matplotlib.pyplot as plt
from transformer_lens import HookedTransformer, HookedTransformerConfig

CONTROL_LAYERS, CONTROL_SEEDS, CONTROL_POSITION = (1, 3), (0, 1, 2), -2
known = sorted({token for row in statement_tokens for token in row})
numbered = [torch.tensor([known.index(token) for token in row]) for row in statement_tokens]
words = left_out_blocks(np.stack([np.bincount(row, minlength=len(known)) for row in numbered]).astype(float)).mean()
shape = lab.shape


@torch.inference_mode()
def untrained_accuracies(seed):
    """On left-out blocks, for each of the layers."""
    torch.manual_seed(seed)
    untrained = HookedTransformer(
        HookedTransformerConfig(
            n_layers=max(CONTROL_LAYERS) + 1, d_model=shape["d_model"], n_heads=shape["n_heads"],
            d_head=shape["d_head"], n_key_value_heads=shape["n_key_value_heads"], d_mlp=shape["d_mlp"],
            d_vocab=len(known), n_ctx=int(lengths.max()), act_fn="silu", gated_mlp=True, normalization_type="RMS",
            positional_embedding_type="rotary", rotary_dim=shape["d_head"],
        )
    )  # fmt: skip
    read = []
    for row in numbered:
        _, cache = untrained.run_with_cache(row[None], return_type=None)
        read.append([cache[f"blocks.{layer}.hook_resid_post"][0, CONTROL_POSITION].numpy() for layer in CONTROL_LAYERS])
    return [left_out_blocks(values).mean() for values in np.array(read, dtype=float).transpose(1, 0, 2)]


twin = np.mean([untrained_accuracies(seed) for seed in CONTROL_SEEDS])
chance = max(0.5, words, twin)
controls = f"counts of tokens in {words:.3f}, untrained models in {twin:.3f}"
print(f"{controls}, so chance is {chance:.3f}")

# %% [markdown]
# ## Which statements, and where
# Where the budget is below one reading of everything, true and false statements of all blocks are taken in turn, so
# that the part is as balanced as the whole. Where there is more, the full stop is read as well, then layers in between.

# %%
AT_ONCE = 60
depth = lab.shape["n_layers"]
quarters = [round(share * depth) - 1 for share in (0.2, 0.33, 0.47, 0.6)]
between = [round(share * depth) - 1 for share in (0.13, 0.27, 0.4, 0.53)]
passes = lab.budget.left // price
POSITIONS = (-2,) if passes < 2 else (-1, -2)
layers = quarters if passes < 4 else sorted({*quarters, *between})

groups: dict[tuple[int, bool], list[int]] = {}
for row, group in enumerate(zip(blocks, labels, strict=True)):
    groups.setdefault(group, []).append(row)
in_turn = [row for rows in zip(*groups.values(), strict=False) for row in rows]
in_turn += sorted({*range(len(statements))} - {*in_turn})
affordable = np.cumsum(lengths[in_turn]) <= lab.budget.left
chosen_rows = sorted(np.array(in_turn)[affordable].tolist())


def read_at(layers, position):
    """[layer, statement, d_model]"""
    sites, parts = [f"resid_post.{layer}@{position}" for layer in layers], []
    for at in range(0, len(chosen_rows), AT_ONCE):
        part = [statement_tokens[row] for row in chosen_rows[at : at + AT_ONCE]]
        run = lab.run(part, read=sites, labels=[0])
        parts.append(np.stack([run[site].numpy() for site in sites]))
    return np.concatenate(parts, axis=1)


hidden = np.stack([read_at(layers, position) for position in POSITIONS], axis=1)
truth, block = truth[chosen_rows], block[chosen_rows]
print(f"{len(chosen_rows)} statements, after blocks {layers}, at positions {POSITIONS}; {lab.budget}")

# %% [cells of] cells/real_places.py

# %%
figure, axes = plt.subplots(figsize=(5.5, 3.5))
for column, position in enumerate(POSITIONS):
    axes.plot(layers, grid[:, column], marker="o", label=f"position {position}")
axes.axhline(chance, color="grey", linewidth=1, label="best control")
axes.set(xlabel="layer", ylabel="accuracy on left-out blocks", ylim=(0.3, 1))
axes.legend(fontsize=7)
plt.show()
chosen = hidden[place].astype(float)

# %% [cells of] cells/real_decision.py
