"""Shared cells: how many of the ranked nodes make up the circuit, decided by faithfulness."""

# %% [markdown]
# ## Where to cut
#
# A ranking is no circuit yet. The best k nodes are kept and all others are resampled at once, for k = 0, 1, 2, ...; the
# smallest k that recovers 95 % of the accuracy is taken. (0 % is the accuracy with every node resampled.) Then every
# node, the least important first, is dropped if 95 % stay without it.

# %%
ENOUGH = 0.95


def recovered(kept):
    """Share of the accuracy that is left when only these nodes are kept."""
    others = [node for node in nodes if node not in kept]
    return (accuracy_without(others) - no_node_accuracy) / (clean_accuracy - no_node_accuracy)


def sweep(score):
    """Recovered accuracy for the k best nodes by size of score, until it is enough; and those nodes."""
    ranked = sorted(nodes, key=lambda node: -abs(score[node]))
    curve = []
    while not curve or (curve[-1] < ENOUGH and len(curve) <= len(ranked)):
        curve.append(recovered(ranked[: len(curve)]))
    return curve, ranked[: len(curve) - 1]


def pruned(kept, score):
    """The nodes that are left when each one that is not needed is dropped."""
    for node in sorted(kept, key=lambda node: abs(score[node])):
        fewer = [other for other in kept if other != node]
        if recovered(fewer) >= ENOUGH:
            kept = fewer
    return sorted(kept)


methods = {"activation patching": patching, "attribution patching": attribution, "EAP-IG": eap_ig}
swept = {name: sweep(score) for name, score in methods.items()}
circuits = {name: pruned(kept, methods[name]) for name, (_, kept) in swept.items()}
STYLES = (  # curves often coincide: from a wide one to a narrow one, so that all are seen
    {"color": "tab:blue", "marker": "s", "markersize": 13, "linewidth": 8, "alpha": 0.35},
    {"color": "tab:orange", "marker": "o", "markersize": 8, "linewidth": 3, "linestyle": "--"},
    {"color": "black", "marker": "x", "markersize": 6, "linewidth": 1},
)
figure, axes = plt.subplots(figsize=(5, 3))
for (name, (curve, kept)), style in zip(swept.items(), STYLES, strict=True):
    axes.plot(curve, label=name, **style)
    print(f"{name}: {len(kept)} nodes recover {curve[-1]:.3f}; needed of them: {', '.join(circuits[name])}")
axes.axhline(ENOUGH, color="grey", linestyle=":")
axes.xaxis.get_major_locator().set_params(integer=True)
axes.set(xlabel="nodes kept", ylabel="accuracy recovered", title="faithfulness of the best k nodes")
axes.legend()
plt.show()

# %% [markdown]
# ## The circuit
#
# The ranking by activation patching is measured, not approximated, so its pruned circuit is the answer. Four checks,
# on the same pairs: is it sufficient (everything else resampled), is it necessary (all of it resampled), is one of its
# nodes spare, and does a node outside have an effect of its own? One that moves the logit difference without changing
# labels is no part of a circuit that is cut by accuracy.

# %%
circuit = circuits["activation patching"]
others = [node for node in nodes if node not in circuit]
sufficient, destroyed = accuracy_without(others), accuracy_without(circuit)
print(f"circuit: {', '.join(circuit)}")
print(f"everything else resampled: accuracy {sufficient:.3f}; the circuit resampled: {destroyed:.3f}")
for node in circuit:
    without = recovered([other for other in circuit if other != node])
    print(
        f"{node}: alone costs {accuracy_lost[node]:.3f} accuracy and {patching[node]:.2f} ± {patching_error[node]:.2f} "
        f"of the logit difference; the circuit without it recovers {without:.3f}"
    )
loudest = max(others, key=lambda node: abs(patching[node]))
costliest = max(others, key=lambda node: accuracy_lost[node])
print(f"outside, resampled alone: none costs more than {accuracy_lost[costliest]:z.3f} accuracy")
print(
    f"the logit difference moves most without {loudest}: it {in_words(patching[loudest])} "
    f"({abs(patching[loudest] / clean_difference):.0%}), while accuracy falls by {accuracy_lost[loudest]:z.3f}"
)
agreeing = [name for name, found in circuits.items() if found == circuit]
print(f"methods that end in this circuit: {', '.join(agreeing)}")
