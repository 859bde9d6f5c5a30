"""Shared cells: a search for the best neurons of a real model in a laboratory, in two rounds.

They need `features` (Float[feature, text, position]), `labels`, `asked` (rows of `features` that are asked for) and
`count` (neurons for each). They leave `names`, `explained` (Float[asked, neuron], negative infinity where a neuron was
given up), `chosen` (columns for each row asked), `noise` and `positions`.
"""

# %% [markdown]
# ## Which positions are worth their price?
#
# What a text is like is known without the model; only activations cost. So positions are drawn by strata: those with
# the feature, which are rare, far more often than others. Every stratum then counts as much as it does in all texts,
# and the variance explained (RVE) is that of ordinary text. Parts of texts are run by themselves, behind a start token,
# and their first tokens, which have seen little, are left out.

# %%
import random

import numpy as np

n_texts, length = tokens.shape
n_layers, width = lab.shape["n_layers"], lab.shape["d_mlp"]
names = [f"L{layer}.N{neuron}" for layer in range(n_layers) for neuron in range(width)]
wanted = features[asked].double()
WARM_UP, SPAN, SHORT_SPAN = 4, 42, 12
rng = random.Random(0)

of_position = bool((wanted == wanted[:, :1]).all())
binary = bool(((wanted == 0) | (wanted == 1)).all())
if of_position and not binary:
    stratum = torch.zeros(n_texts, length, dtype=torch.long)  # a line: every text shows all of it
elif of_position:
    buckets = torch.arange(length).float().clamp(min=1).log2().long()
    stratum = (2 * buckets + wanted[0, 0].long()).expand(n_texts, -1)
else:
    stratum = (torch.arange(1, len(asked) + 1)[:, None, None] * wanted).sum(0).long()
shares = torch.bincount(stratum[:, 1:].flatten()).double() / stratum[:, 1:].numel()


def windows(span):
    """All texts in parts (text, first position, end), the first tokens of each only seen, not counted."""
    starts = range(1, length - span + 1, span - WARM_UP)
    return [(text, start, start + span) for text in range(n_texts) for start in starts]


def counted(piece):
    """The positions of a part that count."""
    text, start, end = piece
    return text, slice(start if start == 1 else start + WARM_UP, end)


def worth(piece):
    """How much of rare strata is in a part, for each of its tokens."""
    there = stratum[counted(piece)]
    return float((wanted[:, piece[0], counted(piece)[1]].sum(1) / wanted[:, :, 1:].sum((1, 2))).sum()) / len(there)


def in_turn(first, second):
    """One of each, until both are used up."""
    pairs = [piece for pair in zip(first, second, strict=False) for piece in pair]
    return pairs + first[len(second) :] + second[len(first) :]


whole = [(text, 1, length) for text in rng.sample(range(n_texts), n_texts)]
if of_position and not binary:
    pieces = whole
elif of_position:
    last = int(wanted[0, 0].nonzero().max())
    end = min(length, max(SHORT_SPAN, 2 * last))
    starts = [(text, 1, end) for text, _, _ in whole[n_texts // 4 :]]
    pieces = [one for at in range(n_texts // 4) for one in (whole[at], *starts[3 * at : 3 * at + 3])]
else:
    rare = min(wanted[:, :, 1:].mean((1, 2)).tolist()) < 0.02
    best = sorted(windows(SHORT_SPAN if rare else SPAN), key=worth, reverse=True)
    others = windows(SPAN)
    pieces = in_turn(best[: len(others)], rng.sample(others, len(others)))
print(f"{len(pieces)} parts; strata have the shares {[round(share, 4) for share in shares.tolist()]} of the positions")

# %% [markdown]
# ## Two rounds
#
# All layers on a few parts, for half of the budget: a run gives four layers for its price, so that a token costs 8.
# Then only the layers with the best neurons, on many parts. The best of 46,080 neurons by accident alone have an RVE of
# about 2 log(46,080) / positions, which is what the first round has to beat.

# %%
N_KEPT = 8
AT_ONCE = 20_000_000  # numbers that one run gives
total = lab.budget.left
sums = {
    "n": torch.zeros(len(shares)).double(),
    "f": torch.zeros(len(shares), len(asked)).double(),
    "ff": torch.zeros(len(shares), len(asked)).double(),
    "a": torch.zeros(len(shares), len(names)).double(),
    "aa": torch.zeros(len(shares), len(names)).double(),
    "fa": torch.zeros(len(shares), len(asked), len(names)).double(),
}
seen = torch.zeros(n_texts, length, dtype=torch.bool)


def price_per_token(n_sites):
    return 1 + max(0, -(-(n_sites - 4) // 4))


def add(batch, layers):
    """Run some parts and add what neurons of some layers do on them to the sums."""
    prompts = [[int(tokens[0, 0]), *tokens[text, start:end].tolist()] for text, start, end in batch]
    run = lab.run(prompts, read=[f"neurons.{layer}" for layer in layers], labels=[0])
    for row, piece in enumerate(batch):
        text, at = counted(piece)
        here, f = stratum[text, at], wanted[:, text, at]
        new = ~seen[text, at]
        seen[text, at] = True
        for one in here[new].unique().tolist():
            rows = (here == one) & new
            sums["n"][one] += rows.sum()
            sums["f"][one] += f[:, rows].sum(1)
            sums["ff"][one] += f[:, rows].square().sum(1)
            for layer in layers:
                columns = slice(layer * width, (layer + 1) * width)
                # the start token stands before the part
                values = run[f"neurons.{layer}"][row, at.start - piece[1] + 1 : at.stop - piece[1] + 1][rows].double()
                sums["a"][one, columns] += values.sum(0)
                sums["aa"][one, columns] += values.square().sum(0)
                sums["fa"][one, :, columns] += f[:, rows] @ values


def spend(tokens_left, layers):
    """Run the next parts, as many as can be had for so much."""
    price, batch, longest = price_per_token(len(layers)), [], 0
    while pieces and (size := pieces[0][2] - pieces[0][1] + 1) * price <= tokens_left:
        longest = max(longest, size)
        if batch and (len(batch) + 1) * longest * len(layers) * width > AT_ONCE:
            add(batch, layers)
            batch, longest = [], size
        batch.append(pieces.pop(0))
        tokens_left -= size * price
    if batch:
        add(batch, layers)


def signed_rve():
    """Float[asked, neuron] on ordinary text, and the number of positions that would be as sure."""
    weight = torch.where(sums["n"] > 0, shares / sums["n"].clamp(min=1), 0.0)
    weight = weight / (weight * sums["n"]).sum()
    f, ff, a, aa = (torch.tensordot(weight, sums[name], 1) for name in ("f", "ff", "a", "aa"))
    covariance = torch.tensordot(weight, sums["fa"], 1) - f[:, None] * a
    scale = (ff - f.square())[:, None] * (aa - a.square())
    rve = torch.where(scale > 0, covariance * covariance.abs() / scale, 0.0)
    return rve, 1 / float((weight.square() * sums["n"]).sum())


first_part = max(total // 2, min(total, price_per_token(n_layers) * (pieces[0][2] - pieces[0][1] + 1)))
spend(first_part, range(n_layers))
screened, positions = signed_rve()
screened_at, noise = int(sums["n"].sum()), 2 * np.log(len(names)) / positions
print(f"{screened_at} positions, worth {positions:.0f}; the best by accident have {noise:.3f}; {lab.budget}")

promise = torch.zeros(n_layers).double()
for row in screened:
    values, columns = row.topk(3 * count)
    promise.index_add_(0, columns // width, values)
kept = sorted(promise.topk(N_KEPT).indices.tolist())
spend(lab.budget.left, kept)

# %%
explained, positions = signed_rve()
given_up = torch.tensor([column // width not in kept for column in range(len(names))])
explained[:, given_up] = -torch.inf
chosen = [row.topk(count).indices.tolist() for row in explained]
print(f"layers {kept}: {int(sums['n'].sum())} positions, worth {positions:.0f}; {lab.budget}")
for row, columns in zip(range(len(asked)), chosen, strict=True):
    for column in explained[row].topk(count + 2).indices.tolist():
        mark = "submitted" if column in columns else ""
        print(
            f"{labels[asked[row]]:>18} {names[column]:>9}: RVE {explained[row, column]:.3f}, "
            f"{screened[row, column]:.3f} in the first round {mark}"
        )
