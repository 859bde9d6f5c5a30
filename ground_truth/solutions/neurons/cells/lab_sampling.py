"""Shared cells for laboratories: which texts are worth their price.

They need `features`: name -> (feature, ways, direction). A feature has the shape of `tokens` and is Bool, or Float
where it grows along a text; `ways` (Long, the same shape) tells apart in which ways it can hold, such as the variants
of a word; `direction` is 1 for more active, -1 for less active, 0 for either. They leave `text_order`, `previous` and
`position`.
"""

# %% [markdown]
# ## Which texts are worth their price?
#
# Reading costs, the texts themselves don't: where the feature holds in all of them is known beforehand. A feature that
# holds at one position in three hundred would hardly occur in a few texts that are drawn at random. So every second
# text is one that adds most of the ways in which a feature holds, in proportion to how usual they are; the others are
# drawn at random, for what neurons do elsewhere. The means and variances on both sides are weighted with the shares of
# ordinary text afterwards.

# %%
n_texts, length = tokens.shape
position = torch.arange(length).expand(n_texts, length)
previous = torch.cat([torch.full_like(tokens[:, :1], len(vocabulary)), tokens[:, :-1]], dim=1)


def counts_of_ways(feature, ways):
    """How often each way in which a feature holds occurs in each text, Float[text, way], and its share of them."""
    found, number = ways[feature].unique(return_inverse=True)
    counts = torch.zeros(n_texts, len(found))
    counts.index_put_((feature.nonzero()[:, 0], number), torch.ones(len(number)), accumulate=True)
    return counts, counts.sum(0) / counts.sum()


def informative_texts(how_many, start=0.2):
    """Texts that cover the ways in which the features hold, the most useful first (greedily; logarithmic returns)."""
    counted = [counts_of_ways(feature, ways) for feature, ways, _ in features.values() if feature.dtype == torch.bool]
    if not counted:
        return []
    counts, shares = (torch.cat(parts, dim=-1) for parts in zip(*counted, strict=True))
    seen, chosen = torch.full(shares.shape, start), []
    for _ in range(how_many):
        gain = (shares * ((seen + counts) / seen).log()).sum(1)
        gain[chosen] = -1.0
        chosen.append(int(gain.argmax()))
        seen += counts[chosen[-1]]
    return chosen


informative = informative_texts(min(n_texts // 2, lab.budget.left))
drawn = [
    i for i in torch.randperm(n_texts, generator=torch.Generator().manual_seed(0)).tolist() if i not in informative
]
text_order = [text for pair in zip(informative, drawn, strict=False) for text in pair] or drawn
for name, (feature, _, _) in features.items():
    if feature.dtype == torch.bool:
        first = feature[text_order[:10]].float().mean()
        print(
            f"{name}: {feature.float().mean():.2%} of all positions, {first:.2%} of those in the first ten texts chosen"
        )
