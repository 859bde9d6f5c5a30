"""Reference solution of neurons/explain: a search for conjunctions of properties of the last few tokens."""

# %% [markdown]
# # What does it do?
#
# First I read the activations on all texts, then I look for what the texts have in common where it fires, and last I
# test the theory on texts that it was not made from.

# %% [cells of] cells/explain_learning.py

# %%
import matplotlib.pyplot as plt

# %%
columns = {name: tuple(map(int, name.removeprefix("L").split(".N"))) for name in question["neurons"]}
activations = {name: [] for name in columns}
with torch.inference_mode():
    points = [f"blocks.{layer}.mlp.hook_post" for layer in sorted({layer for layer, _ in columns.values()})]
    for rows in tokens.split(100):
        _, cache = model.run_with_cache(rows, names_filter=points)
        for name, (layer, neuron) in columns.items():
            activations[name].append(cache[f"blocks.{layer}.mlp.hook_post"][..., neuron])
activations = {name: torch.cat(parts).numpy() for name, parts in activations.items()}
for name, found in activations.items():
    print(name, "quantiles:", {q: round(float(np.quantile(found, q)), 2) for q in (0.01, 0.5, 0.95, 0.99, 0.999)})
    for flat in np.argsort(-found.ravel())[:300:25]:
        row, at = divmod(int(flat), tokens.shape[1])
        print(f"  {found[row, at]:.2f}  {tokenizer.decode(tokens[row, max(0, at - 4) : at + 1])!r}")

# %% [markdown]
# ## Theories
#
# Made from nine tenths of the texts, tested on the last tenth.

# %%
cut = len(tokens) * 9 // 10
rows = tokens.numpy()
theories, correlations = {}, {}
for name, found in activations.items():
    theories[name], _ = Search(rows[:cut], found[:cut]).theory()
    print(name, in_words(theories[name]))

# %%
space = {}
exec(code_of(theories), space)
for name, found in activations.items():
    extra = () if len(theories) == 1 else (name,)
    predicted = np.array([space["predict"](row.tolist(), *extra) for row in rows[cut:]])
    correlations[name] = np.corrcoef(predicted[:, 1:].ravel(), found[cut:, 1:].ravel())[0, 1]
    print(f"{name}: correlation {correlations[name]:.3f} on the last tenth")
    plt.scatter(predicted[:, 1:], found[cut:, 1:], s=4, alpha=0.3, label=name)
plt.xlabel("activation that the theory predicts")
plt.ylabel("activation")
plt.legend()
plt.show()

# %%
answer = {
    "code": code_of(theories),
    "confidence": 0.9 if min(correlations.values()) > 0.95 else 0.4,
    "summary": "; ".join(
        f"{name}: {in_words(theory)}, correlation {correlations[name]:.3f} on texts it was not made from"
        for name, theory in theories.items()
    )[:3000],
}
print(len(answer["code"]), "characters")
