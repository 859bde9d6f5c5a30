"""Shared cells: the faithfulness curves of some rankings on prompts that they were not made from, and the answer."""

# %% [markdown]
# ## Which ranking makes the best circuits?
#
# As the evaluator does it, on prompts that no gradient was taken on: keep the first k components, give all others their
# output on the counterfactual prompt. Components can be ranked by their effect, or by its size: one that works against
# the behaviour belongs to what the model does as well, and without it a circuit shoots over.

# %%
from IPython.display import Markdown, display

SIZES = [round(share * len(components)) for share in (0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)]
TESTED = slice(ATTRIBUTED, ATTRIBUTED + 2 * BATCH)
with torch.no_grad():
    _, cached = model.run_with_cache(
        counterfactuals[TESTED], return_type=None, stop_at_layer=n_layers, names_filter=is_component
    )


def replace_whole(_, hook):
    return cached[hook.name]


@torch.no_grad()
def kept_only(kept):
    """The mean metric when only these components compute."""
    kept, hooks = set(kept), []
    for layer in range(n_layers):
        heads = [head for head in range(n_heads) if f"a{layer}.h{head}" not in kept]

        def replace_heads(value, hook, heads=heads):
            value[:, :, heads] = cached[hook.name][:, :, heads]
            return value

        if heads:
            hooks.append((f"blocks.{layer}.attn.hook_z", replace_heads))
        if f"m{layer}" not in kept:
            hooks.append((f"blocks.{layer}.hook_mlp_out", replace_whole))
    final = model.run_with_hooks(prompts[TESTED], return_type=None, stop_at_layer=n_layers, fwd_hooks=hooks)
    return metric(last_logits(final), options[TESTED], weights[TESTED]).mean().item()


ends = {0: kept_only([]), len(components): kept_only(components)}
none, whole = ends[0], ends[len(components)]


def curve(ranking):
    """f at every size."""
    values = [ends[size] if size in ends else kept_only(ranking[:size]) for size in SIZES]
    return (np.array(values) - none) / (whole - none)


def cmd(faithfulness):
    """Area between f, limited to [0, 2], and 1."""
    return np.trapezoid(np.abs(np.clip(faithfulness, 0, 2) - 1), np.array(SIZES) / len(components))


def ranked(keys):
    return [components[at] for at in np.argsort(-keys, kind="stable")]


candidates = {
    "EAP-IG, by size": ranked(np.abs(eap_ig)),
    "EAP-IG, by sign": ranked(eap_ig),
    "attribution patching, by size": ranked(np.abs(attribution)),
    "random": list(np.random.default_rng(0).permutation(components)),
}
curves = {title: curve(ranking) for title, ranking in candidates.items()}
distances = {title: cmd(values) for title, values in curves.items()}
for title, distance in distances.items():
    print(f"{title}: CMD {distance:.3f}, f at {SIZES}: {np.round(curves[title], 2)}")

figure, axes = plt.subplots(figsize=(6.5, 3.8))
for title, values in curves.items():
    axes.plot(SIZES, values, marker="o", label=f"{title} (CMD {distances[title]:.3f})")
axes.axhline(1, color="grey", linewidth=0.8)
axes.set_xscale("symlog", linthresh=3)
axes.set_xticks(SIZES, SIZES)
axes.set_xlim(left=-0.5)
axes.set_xlabel("components kept")
axes.set_ylabel("faithfulness f")
axes.legend()
plt.show()

# %% [markdown]
# ## Does taking one away cost what the gradients say?

# %%
best = min((title for title in candidates if title != "random"), key=distances.get)
ranking = candidates[best]
effects = dict(zip(components, attribution if best.startswith("attribution") else eap_ig, strict=True))
first = ranking[:10]
alone = {name: whole - kept_only([one for one in components if one != name]) for name in first}
agreement = np.corrcoef([effects[name] for name in first], [alone[name] for name in first])[0, 1]

figure, axes = plt.subplots(figsize=(6.5, 3))
spots = np.arange(len(first))
axes.bar(spots - 0.2, [effects[name] for name in first], 0.4, label=best)
axes.bar(spots + 0.2, [alone[name] for name in first], 0.4, label="ablated alone")
axes.set_xticks(spots, first, rotation=45)
axes.axhline(0, color="grey", linewidth=0.8)
axes.set_ylabel("metric lost")
axes.legend()
plt.show()

# %%
enough = next(size for size, value in zip(SIZES, curves[best], strict=True) if value >= 0.8)
listed = ", ".join(f"{name} ({alone[name]:z.2f})" for name in first)
findings = (
    f"Of {len(candidates) - 1} rankings, {best} has the smallest CMD on prompts it was not made from: "
    f"{distances[best]:.3f} (random: {distances['random']:.3f}). At one of the sizes tried, {enough} of "
    f"{len(components)} components, f first reaches 0.8. The first ten, and what is lost of the metric without each: "
    f"{listed}; correlation with the predicted loss {agreement:.2f}."
)
display(Markdown(findings))

# %%
answer = {
    "ranking": ranking,
    "confidence": 0.8 if distances[best] < distances["random"] - 0.1 else 0.3,
    "summary": findings,
}
