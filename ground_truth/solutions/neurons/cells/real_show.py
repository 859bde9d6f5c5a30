"""Shared cells: the submitted neurons on a few texts: activation with and without the feature, and coloured texts.

They need the cells of `real_choice.py`. From here on `tokens` and `features` are those of a few texts only, and
`activations` (Float[positions of these texts, submitted neuron]) has the columns of `listed`: what `_show.py` shows.
They leave `pairs` of a row of `features` and a column of `activations` that was chosen for it.
"""

# %% [markdown]
# ## What the submitted neurons do on some texts
#
# A second look, at the texts in which the features are most frequent, and at the submitted neurons only.

# %%
SHOWN_TEXTS = 16
frequent = features[asked][:, :, 1:].sum((0, 2)).topk(min(SHOWN_TEXTS, n_texts)).indices
tokens, features = tokens[frequent], features[:, frequent]
n_texts = len(tokens)
activations = torch.zeros(n_texts, length, len(listed))


def recorder(layer):
    """A hook that keeps the activations of the submitted neurons of one layer."""
    places = [place for place, column in enumerate(listed) if column // width == layer]

    def record(activation, hook):  # noqa: ARG001 - the argument's name is TransformerLens'
        activations[:, 1:, places] = activation[:, 1:, [listed[place] % width for place in places]].cpu()

    return record


with torch.inference_mode():
    model.run_with_hooks(
        tokens.to(device),
        return_type=None,
        stop_at_layer=max(listed) // width + 1,
        fwd_hooks=[(f"blocks.{layer}.mlp.hook_post", recorder(layer)) for layer in {c // width for c in listed}],
    )
pairs = [(row, listed.index(column)) for row, columns in zip(asked, chosen, strict=True) for column in columns]
figure, axes = plt.subplots(1, len(pairs), figsize=(2.4 * len(pairs), 2.4), squeeze=False)
for axis, (row, place) in zip(axes[0], pairs, strict=True):
    values, here = activations[:, 1:, place].flatten(), features[row][:, 1:].flatten() > 0.5
    bins = np.linspace(values.min().item(), values.max().item() + 1e-6, 40)
    for part, colour, label in ((values[~here], "grey", "without"), (values[here], "tab:red", "with")):
        if len(part):
            axis.hist(part.numpy(), bins=bins, density=True, alpha=0.6, color=colour, label=label)
    axis.set_title(f"{names[listed[place]]}\n{labels[row]}", fontsize=8)
    axis.set(yscale="log", xlabel="activation")
axes[0, 0].legend(fontsize=7)
figure.tight_layout()
plt.show()
activations = activations.flatten(0, 1)
