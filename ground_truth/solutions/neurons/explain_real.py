"""Reference solution of neurons/explain_real: a number for each of many features of the last tokens, fitted."""

# %% [markdown]
# # What does it do?
#
# First I read the activations on all texts and look at where it fires. Then I fit numbers to features of the last few
# tokens, test them on the last fifth of the texts, which are other addresses, and write down what fits into the answer.

# %% [cells of] cells/explain_real_learning.py

# %%
columns = {name: tuple(map(int, name.removeprefix("L").split(".N"))) for name in question["neurons"]}
points = {f"blocks.{layer}.mlp.hook_post" for layer, _ in columns.values()}
behind = max(layer for layer, _ in columns.values()) + 1
activations = {name: np.zeros(tuple(tokens.shape)) for name in columns}


def read(first, last):
    """Read some of the texts."""
    for start in range(first, last, 8):
        rows = slice(start, min(start + 8, last))
        with torch.inference_mode():
            _, cache = model.run_with_cache(
                tokens[rows].to(device),
                return_type=None,
                names_filter=lambda point: point in points,
                stop_at_layer=behind,
            )
        for name, (layer, neuron) in columns.items():
            activations[name][rows] = cache[f"blocks.{layer}.mlp.hook_post"][..., neuron].float().cpu().numpy()


quarters = [round(len(tokens) * share / 4) for share in range(5)]
read(quarters[0], quarters[1])

# %%
read(quarters[1], quarters[2])

# %%
read(quarters[2], quarters[3])

# %%
read(quarters[3], quarters[4])

# %%
signs, thresholds = {}, {}
for name, found in activations.items():
    inner = found[:, 1:]
    signs[name] = 1.0 if ((inner - inner.mean()) ** 3).mean() >= 0 else -1.0
    thresholds[name] = np.quantile(signs[name] * inner, 0.98)
    print(name, "sign", signs[name], "threshold", round(float(thresholds[name]), 3))
    order = np.argsort(-(signs[name] * inner).ravel())
    for flat in order[: len(order) // 50 : len(order) // 1000]:
        row, at = divmod(int(flat), inner.shape[1])
        print(f"  {inner[row, at]:.2f}  {tokenizer.decode(tokens[row, max(1, at - 5) : at + 2])!r}")

# %% [markdown]
# ## A test on addresses that the fit has not seen

# %%
texts = tokens.tolist()
cut = len(texts) * 4 // 5
parts = Strings(texts[:cut]), Strings(texts[cut:])
counts = parts[0].known()
order = list(counts)
tested = {}
for name, found in activations.items():
    y = [signs[name] * rows[:, 1:].ravel() for rows in (found[:cut], found[cut:])]
    ids = [np.concatenate(part.ids) for part in parts]
    weights = [strata_weights(i, v > thresholds[name]) for i, v in zip(ids, y, strict=True)]
    table = fitted(parts[0].numbers(order), y[0], weights[0], len(order))
    tested[name] = correlation(table[parts[1].numbers(order)].sum(1), y[1], weights[1])
    alone = best_list(ids[0], y[0], weights[0], ids[1], y[1], weights[1])
    print(f"{name}: correlation {tested[name]:.3f} on the last fifth, a list for the current token {alone:.3f}")

# %% [markdown]
# ## All texts, and what fits into the answer

# %%
everything = Strings(texts)
counts = everything.known()
order = list(counts)
numbers, ids = everything.numbers(order), np.concatenate(everything.ids)
theories = {}
for name, found in activations.items():
    y = signs[name] * found[:, 1:].ravel()
    weights = strata_weights(ids, y > thresholds[name])
    names = kept_features(order, fitted(numbers, y, weights, len(order)), counts, len(activations))
    table = fitted(everything.numbers(names), y, weights, len(names), SHORT)
    theories[name] = names, signs[name] * table
    strongest = np.argsort(-np.abs(table[1:]) * np.sqrt([counts[one] for one in names]))[:25]
    print(name, ", ".join(f"{names[i]!r} {table[i + 1]:+.2f}" for i in strongest))

# %%
code = code_of(theories)
space = {}
exec(code, space)
for name in activations:
    extra = () if len(theories) == 1 else (name,)
    said = np.array([space["predict"]([vocabulary[t] for t in row], *extra) for row in texts[:20]])[:, 1:].ravel()
    right = activations[name][:20, 1:].ravel()
    print(f"{name}: on the first texts the code has {np.corrcoef(said, right)[0, 1]:.3f}, which it was fitted to")

# %%
answer = {
    "code": code,
    "confidence": 0.8,
    "summary": "A number for each of many features of the last four tokens, a window of words before and pairs of "
    "neighbours, fitted to the activations on all texts; "
    + "; ".join(f"{name}: correlation {tested[name]:.3f} on texts that a fit had not seen" for name in theories),
}
print(len(answer["code"]), "characters")
