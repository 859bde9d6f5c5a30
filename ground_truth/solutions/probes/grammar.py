"""Reference solution of probes/grammar: logistic regression, cross-validated over words and constructions."""

# %% [markdown]
# # A probe for grammaticality
# The probe has to work with other nouns and verbs in other constructions, so a row counts as test only if both its
# construction and its verb were left out of the fit, and its twin with the other form of the verb never stands on the
# other side.

# %%
import numpy as np

for row in range(6):
    print(text(statements[row]), "->", bool(labels[row]))
construction = constructions.numpy()
print("constructions, an example of each:")
for number in np.unique(construction):
    print(f"  {number}: {text(statements[int(np.argmax(construction == number))])}")

# %% [markdown]
# The verb stands right before comma, address and ending, in two forms. Which two forms are one verb shows in the twins:
# sentences that are the same but for the verb.

# %%
decided_at = statements.shape[1] - 4
verb = statements[:, decided_at].numpy()
other_form = {}
by_rest = {}
for row, tokens in enumerate(statements.tolist()):
    rest = (*tokens[:-4], *tokens[-3:])
    if rest in by_rest:
        twin = by_rest[rest]
        other_form[int(verb[row])], other_form[int(verb[twin])] = int(verb[twin]), int(verb[row])
    by_rest[rest] = row
stem = np.array([min(form, other_form.get(form, form)) for form in verb.tolist()])
stems = np.unique(stem)
print(len(stems), "verbs, such as", [vocabulary[form] for form in stems[:5]])

splits = []
for seed in range(6):
    rng = np.random.default_rng(seed)
    kept = rng.permutation(np.unique(construction))
    out_constructions, out_verbs = kept[: len(kept) // 2], rng.choice(stems, len(stems) // 3, replace=False)
    test = np.isin(construction, out_constructions) & np.isin(stem, out_verbs)
    train = ~np.isin(construction, out_constructions) & ~np.isin(stem, out_verbs)
    splits.append((train, test))
print("rows for fitting and for testing:", [(int(train.sum()), int(test.sum())) for train, test in splits])

# %% [cells of] cells/probing.py

# %% [cells of] cells/penalty.py

# %% [cells of] cells/pictures.py

# %%
method = "logistic regression, cross-validated over verbs and constructions"

# %% [cells of] cells/answer.py
