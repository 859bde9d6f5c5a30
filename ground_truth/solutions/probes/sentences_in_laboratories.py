"""Reference solution of probes/grammar in laboratories: twins of sentences, and halving over layers."""

# %% [markdown]
# # A probe for grammaticality, on a budget
# Every sentence has a twin with the other form of its verb. Of such pairs I read few at all layers, more at the better
# ones, and the rest at the best; the pairs go round over constructions and numbers of the two nouns.

# %% [cells of] cells/lab_manner.py

# %%
WINDOW = 4  # tokens that a head sees: the prompt says so
verb_position = statements.shape[1] - 4
latest = verb_position + 1  # at the verb itself, its two forms differ by three times what truths do
earliest = verb_position - 6  # of the subjects, the furthest from the verb
twins = {}
for row, tokens in enumerate(statements.tolist()):
    rest = (*tokens[:verb_position], *tokens[verb_position + 1 :])
    twins.setdefault(rest, {})[bool(labels[row])] = row
twins = [(pair[True], pair[False]) for pair in twins.values() if len(pair) == 2]
# round over constructions, so that few pairs are of all of them
by_construction = {}
for number in rng.permutation(len(twins)):
    by_construction.setdefault(int(constructions[twins[number][0]]), []).append(twins[number])
turns = itertools.zip_longest(*by_construction.values())
waiting = itertools.cycle([pair for turn in turns for pair in turn if pair is not None])
print(len(twins), "pairs such as", " / ".join(text(statements[row]) for row in twins[0]))


def draw(count):
    """Grammatical sentences and their twins."""
    right, wrong = zip(*(next(waiting) for _ in range(count)), strict=True)
    return in_manners(statements[list(right)], statements[list(wrong)])


# %% [cells of] cells/lab_direction.py

# %% [cells of] cells/lab_reading.py

# %% [cells of] cells/lab_answer.py
