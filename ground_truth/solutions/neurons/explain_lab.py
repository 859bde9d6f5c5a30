"""Reference solution of neurons/explain in laboratories: half of the texts at random, others where theories differ."""

# %% [markdown]
# # What does it do?
#
# A text costs, and readings have noise. I read half of the texts that I can afford at random, make theories, and read
# those of the other texts next in which the best theories disagree most.

# %% [cells of] cells/explain_learning.py

# %%
(name,) = question["neurons"]
order = np.random.default_rng(0).permutation(len(tokens))
rows, read, found = tokens.numpy(), [], np.zeros((0, tokens.shape[1]))


def look(texts):
    """Read the neuron in these texts too. The noise is measured against all that a run reads, so runs are not small."""
    global found
    texts = list(texts)[: lab.budget.left]
    if texts:
        run = lab.run(tokens[texts], read=[name])
        found = np.concatenate([found, np.asarray(run[name], dtype=float).reshape(len(texts), -1)])
        read.extend(int(text) for text in texts)


look(order[: max(1, lab.budget.left // 2)])
print(f"{len(read)} texts, quantiles:", {q: round(float(np.quantile(found, q)), 2) for q in (0.01, 0.5, 0.99, 0.999)})

# %% [markdown]
# ## Theories, and texts that tell them apart

# %%
for stage in (1, 2):
    search = Search(rows[read], found)
    theory, runners = search.theory()
    print(f"{len(read)} texts: {in_words(theory)}")
    rest = [int(text) for text in order if int(text) not in set(read)]
    if not runners or not rest or not lab.budget.left:
        break
    every = Search(rows[rest], np.zeros((len(rest), tokens.shape[1])))
    said = np.stack([every.mask(one) for one in dict.fromkeys(runners)]).astype(float)
    doubt = said.var(0).reshape(len(rest), -1).sum(1)
    count = lab.budget.left if stage == 2 else max(1, lab.budget.left // 2)
    look(np.array(rest)[np.argsort(-doubt)[:count]])
theory, _ = Search(rows[read], found).theory()
print(f"{len(read)} texts: {in_words(theory)}")

# %% [markdown]
# ## How well does it do?
#
# Theories are made from one half of what was read and tested on the other; noise lowers the correlation, so I look at
# whether the two halves have the same theory.

# %%
halves = [
    Search(rows[np.array(read)[part]], found[part]).theory()[0] for part in (slice(0, None, 2), slice(1, None, 2))
]
for half in halves:
    print("half:", in_words(half))
whole = Search(rows[read], found)


def said_by(some):
    return sum((weight * whole.mask(one) for weight, one in some), np.zeros(len(whole.y)))


agreement = [np.corrcoef(said_by(theory), said_by(half) + 1e-9 * whole.y)[0, 1] for half in halves]
print("agreement with the halves' theories:", [round(float(one), 2) for one in agreement])

# %%
answer = {
    "code": code_of({name: theory}),
    "confidence": 0.85 if min(agreement) > 0.8 else 0.4,
    "summary": (
        f"{name}: {in_words(theory)}. Made from {len(read)} texts; theories of both halves of them agree with it to "
        f"{min(agreement):.2f} at least."
    ),
}
print(len(answer["code"]), "characters")
