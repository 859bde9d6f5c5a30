"""Reference solution of neurons/unigram: variance explained by the merged variants of the word."""

# %% [markdown]
# # Which neurons fire on one word?
#
# The word counts in all its case and space variants. For every neuron I measure how much of the variance of its
# activation "the current token is this word" explains, and then look at what the best ones and the runners-up do on the
# single variants and on other words.

# %% [cells of] cells/scan.py

# %% [cells of] cells/show.py

# %%
word, what = question["word"], f'the word "{question["word"]}"'
direction, BAR = 1, question["bar"]
variants = [i for i, string in enumerate(vocabulary) if string.strip().lower() == word]
feature = torch.isin(tokens, torch.tensor(variants))
print("variants:", [vocabulary[i] for i in variants])
print(f"{feature.sum()} of {feature.numel()} tokens ({feature.float().mean():.2%}) are the word")

# %% [cells of] cells/decision.py

# %% [markdown]
# ## On single variants and on other words
#
# A neuron of the word is active on every variant. Of the other words, those with the highest mean activation are named
# (with at least 20 occurrences).

# %%
by_word = {}
for i, string in enumerate(vocabulary):
    by_word.setdefault(string.strip().lower(), []).append(i)
words = [other for other in by_word if other and other != word]
word_of = torch.full((len(vocabulary),), len(words))
for number, other in enumerate(words):
    word_of[by_word[other]] = number
flat, flat_words = tokens.flatten(), word_of[tokens.flatten()]
occurrences = torch.bincount(flat_words, minlength=len(words) + 1)[: len(words)]


def strongest_words(column, k=3):
    """The other words with the highest mean activation."""
    sums = torch.zeros(len(words) + 1).index_add_(0, flat_words, activations[:, column])[: len(words)]
    mean = torch.where(occurrences >= 20, sums / occurrences.clamp_min(1), -torch.inf)
    return ", ".join(f"{words[i]} {mean[i]:.2f}" for i in mean.topk(k).indices.tolist())


table(
    [*(f"{vocabulary[i]!r} ({(flat == i).sum()})" for i in variants), "strongest other words"],
    [
        (
            names[i] + (" (submitted)" if i in found else ""),
            [
                *(
                    activations[flat == token, i].mean().item() if (flat == token).any() else "none"
                    for token in variants
                ),
                strongest_words(i),
            ],
        )
        for i in [*found, *below]
    ],
    "mean activation on each variant (number of occurrences) and on other words",
)

# %%
chosen = [*found[:3], *below[:3]]
show_texts(chosen, [heading(i) for i in chosen], feature)

# %% [cells of] cells/ablation.py

# %%
used_where = feature

# %% [cells of] cells/finding.py
