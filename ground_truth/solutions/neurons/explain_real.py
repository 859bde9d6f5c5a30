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
# ## Tests on texts that a fit has not seen

# %%
texts = tokens.tolist()
everything = Strings(texts)
counts = everything.known()
order, ids = list(counts), everything.all_ids()
shares, tested = {}, {}


def test(name):
    """Find the mixture for a neuron, and what it reaches; for comparison, a list for the current token."""
    values = [signs[name] * row[1:] for row in activations[name]]
    shares[name], tested[name] = best_mixture(everything, values, thresholds[name])
    cut = len(texts) * 4 // 5
    parts = [
        (np.concatenate(everything.ids[some]), np.concatenate(values[some])) for some in (slice(cut), slice(cut, None))
    ]
    (seen, y, weights), (unseen, right, others) = [(i, v, strata_weights(i, v > thresholds[name])) for i, v in parts]
    alone = best_list(seen, y, weights, unseen, right, others)
    print(f"{name}: correlation {tested[name]:.3f} with {shares[name]:.0%} gradients; a list reaches {alone:.3f}")


test(question["neurons"][0])

# %%
for name in question["neurons"][1:]:
    test(name)

# %% [markdown]
# ## All texts, and what fits into the answer

# %%
numbers, theories = everything.numbers(order), {}
for name, found in activations.items():
    y = signs[name] * found[:, 1:].ravel()
    table = fitted(numbers, y, strata_weights(ids, y > thresholds[name]), len(order), shares[name])
    theories[name] = signs[name] * table
    strongest = np.argsort(-np.abs(table[1:]) * np.sqrt([counts[one] for one in order]))[:25]
    print(name, ", ".join(f"{SPELLED[order[i]]!r} {table[i + 1]:+.2f}" for i in strongest))

# %%
code = code_of(order, counts, theories)
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
