"""Reference solution of neurons/prediction_real: variance of logit effects explained by a class of tokens."""

# %% [markdown]
# # Which neurons of the model raise the logits of a class of tokens?
#
# A neuron with output weights w has the logit effects w U, with U the unembedding. With U centred over the tokens,
# their variance is w (U Uᵀ / tokens) wᵀ, and their covariance with the class f is w (U f / tokens): matrices of the
# size of the residual stream, not of the vocabulary. The variance explained (RVE) is the squared correlation.

# %%
import matplotlib.pyplot as plt
import numpy as np

count = question["count"]
n_layers, width = model.cfg.n_layers, model.cfg.d_mlp
names = [f"L{layer}.N{neuron}" for layer in range(n_layers) for neuron in range(width)]


@torch.inference_mode()
def signed_rve(out, unembed, members):
    """Variance of the logit effects of neurons with weights `out` explained by the class, with its sign."""
    unembed = unembed.double() - unembed.double().mean(1, keepdim=True)
    feature = members.double() - members.double().mean()
    variance = ((out.double() @ (unembed @ unembed.T)) * out.double()).sum(1)
    covariance = out.double() @ (unembed @ feature)
    return covariance * covariance.abs() / (variance * feature.square().sum())


out, unembed = model.W_out.detach().flatten(0, 1).cpu(), model.W_U.detach().cpu()
statistic = signed_rve(out, unembed, in_class)
order = statistic.argsort(descending=True).tolist()
found, below = order[:count], order[count : count + 4]

# the definition word by word, on the best neuron
effects = (out[order[0]] @ unembed).double()
q = in_class.double().mean()
literal = 1 - ((1 - q) * effects[~in_class].var(correction=0) + q * effects[in_class].var(correction=0)) / effects.var(
    correction=0
)
print(f"{names[order[0]]}: {literal:.4f} by the definition, {statistic[order[0]]:.4f} as squared correlation")

# %% [markdown]
# ## How far does accident go?
#
# Two controls: the same class with its tokens exchanged for random ones, and random output weights of the same size.

# %%
generator = torch.Generator().manual_seed(0)
shuffled = in_class[torch.randperm(len(in_class), generator=generator)]
random_weights = torch.randn(out.shape, generator=generator) * out.std()
by_shuffled = signed_rve(out, unembed, shuffled).max().item()
by_random = signed_rve(random_weights, unembed, in_class).max().item()
print(
    f"best neuron for as many random tokens: {by_shuffled:.4f}; best of random weights for the class: {by_random:.4f}"
)
print(f"most negative neuron, which lowers the class: {names[order[-1]]} {statistic[order[-1]]:.3f}")

figure, axes = plt.subplots(1, 2, figsize=(12, 3.4))
values = statistic.sort(descending=True).values.clamp_min(1e-6).numpy()
axes[0].plot(np.arange(1, len(values) + 1), values, color="grey")
axes[0].scatter(range(1, count + 1), values[:count], color="tab:red", s=18, label="submitted")
axes[0].axhline(by_random, color="black", linewidth=1, linestyle=":", label="best of random weights")
axes[0].set(
    xscale="log", yscale="log", xlabel="rank", ylabel="variance explained", title="all neurons with positive sign"
)
axes[0].legend(fontsize=8)
by_layer = statistic.view(n_layers, width).max(1).values.numpy()
axes[1].bar(
    range(n_layers),
    by_layer,
    color=["tab:red" if any(i // width == n for i in found) else "grey" for n in range(n_layers)],
)
axes[1].set(xlabel="layer", ylabel="variance explained", title="best neuron of each layer")
figure.tight_layout()
plt.show()

# %% [markdown]
# ## The logit effects of the submitted neurons
#
# Kurtosis is 3 for a normal distribution; Gurnee et al. 2024 (arXiv 2401.12181, section 5) call a neuron with a high
# one a prediction neuron, which raises few tokens (positive skew) or lowers them (negative).

# %%
figure, axes = plt.subplots(1, count, figsize=(2.6 * count, 2.6), squeeze=False)
for axis, column in zip(axes[0], found, strict=True):
    effects = out[column] @ unembed
    bins = np.linspace(effects.min().item(), effects.max().item(), 80)
    axis.hist(effects[~in_class].numpy(), bins=bins, density=True, color="grey", alpha=0.6, label="other tokens")
    axis.hist(effects[in_class].numpy(), bins=bins, density=True, color="tab:red", alpha=0.6, label="class")
    axis.set_title(names[column], fontsize=9)
    axis.set_yscale("log")
axes[0, 0].legend(fontsize=7)
figure.tight_layout()
plt.show()
for column in [*found, *below]:
    effects = (out[column] @ unembed).double()
    z = (effects - effects.mean()) / effects.std(correction=0)
    raised = [vocabulary[i] for i in effects.topk(8).indices.tolist()]
    print(
        f"{names[column]:>9}: RVE {statistic[column]:.3f}, kurtosis {z.pow(4).mean():.1f}, "
        f"skew {z.pow(3).mean():z.2f}, raises {raised}{'' if column in found else ' (not submitted)'}"
    )

# %%
answer = {
    "neurons": [names[column] for column in found],
    "confidence": 0.97,
    "summary": (
        f"Signed variance of the logit effects of all {len(names)} neurons explained by the class, by weights: "
        f"the submitted ones have {statistic[found].mean():.3f} on average, the next {statistic[below[0]]:.3f}; the "
        f"best of as many random output weights has {by_random:.4f}."
    ),
}
