"""Reference solution of variables/subspace: where the variable is written, without what others write or read."""

# %% [markdown]
# # Where do the variables meet?
#
# The activation of one prompt is put whole into another, at each layer and position: where the label becomes the
# source's, everything that decides it passes through.

# %%
import matplotlib.pyplot as plt
import torch

torch.set_grad_enabled(False)
n_layers, n_ctx = model.cfg.n_layers, model.cfg.n_ctx
n_values = int(groups.max()) + 1
HALF = len(prompts) // 2
labels = model(prompts)[:, -1].argmax(-1)
base, source = prompts[:HALF], prompts[HALF:]
base_labels, source_labels = labels[:HALF], labels[HALF:]


def exchanged(base, source, name, position, Q=None):
    """Labels of base prompts with the source's activation, in the span of the orthonormal columns of Q."""
    there = model.run_with_cache(source, names_filter=name, return_type=None)[1][name][:, position]

    def hook(value, hook):  # noqa: ARG001
        value = value.clone()
        change = there - value[:, position]
        value[:, position] += change if Q is None else change @ Q @ Q.T
        return value

    return model.run_with_hooks(base, fwd_hooks=[(name, hook)])[:, -1].argmax(-1)


whole = torch.zeros(n_layers, n_ctx)
for layer in range(n_layers):
    for position in range(n_ctx):
        after = exchanged(base[:100], source[:100], f"blocks.{layer}.hook_resid_post", position)
        whole[layer, position] = (after == source_labels[:100]).float().mean()
plt.imshow(whole, vmin=0, vmax=1)
plt.xlabel("position")
plt.ylabel("layer")
plt.title("share of labels that become the source's")
plt.colorbar()
plt.show()
print(whole)

# %% [markdown]
# # What reads the variables
#
# At the last position, some neurons write logits that differ between labels. Each raises one label more than all
# others. What it reads, times what it writes, does not depend on the neuron's scale.

# %%
writes = {layer: model.W_out[layer] @ model.W_U for layer in range(n_layers)}
reading = max(writes, key=lambda layer: writes[layer].std(1).max())
print({layer: round(writes[layer].std(1).max().item(), 3) for layer in writes}, "so they are read in layer", reading)
raised, label_of = writes[reading].max(1)
neurons = torch.where(raised > 0.1 * raised.max())[0]
neurons = neurons[label_of[neurons].argsort()]
print(f"{len(neurons)} neurons raise {len(label_of[neurons].unique())} of {len(groups)} labels")
assert label_of[neurons].tolist() == list(range(len(groups))), "not one neuron for each label"
readers = (model.W_in[reading][:, neurons] * raised[neurons]).double()
plt.imshow(writes[reading][neurons])
plt.xlabel("label")
plt.ylabel("neuron, by the label that it raises")
plt.title(f"logits that neurons of layer {reading} write")
plt.colorbar()
plt.show()

# %% [markdown]
# The means of readers by group differ in what is read of the asked variable. What is left of a reader without the mean
# of its group is what is read of the others. Labels for which that is the same share the values of all other variables:
# with this, it can be counted whether others move.

# %%
by_group = torch.stack([readers[:, groups == value].mean(1) for value in range(n_values)], 1)
R_asked = by_group - by_group.mean(1, keepdim=True)
R_other = readers - by_group[:, groups]
near = torch.cdist(R_other.T, R_other.T) < 0.05 * R_other.norm(dim=0).mean()
rest = near.int().argmax(1)  # the first label with the same rest
print(f"{len(groups)} labels: {n_values} groups, and {len(rest.unique())} combinations of the other variables")

name = f"blocks.{reading}.hook_resid_mid"
here = model.run_with_cache(prompts, names_filter=name, return_type=None)[1][name][:, -1].double()
centred = here - here.mean(0)


def span(columns):
    """An orthonormal basis; a direction with a hundredth of the largest singular value is none."""
    left, size, _ = torch.linalg.svd(columns, full_matrices=False)
    return left[:, size > 0.01 * size[0]]


# %% [markdown]
# # Candidates
#
# Where a variable is written: the differences between mean activations by group. What reads it: the span of what its
# readers read.

# %%
k = n_values - 1
means = torch.stack([centred[groups[labels] == value].mean(0) for value in range(n_values)])
written, read = span(means.T)[:, :k], span(R_asked)[:, :k]
axes = torch.linalg.svd(centred, full_matrices=False)[2]

# %% [markdown]
# Both have parts that do harm. An exchange must not bring anything that varies while the group stays as it is, nor move
# what the other readers read. Directions are therefore orthogonal to both, which leaves a part of where the variable is
# written and a part of what reads it.

# %%
within = span((centred - means[groups[labels]]).T)
read_other = span(R_other)
taken = span(torch.cat([within, read_other], 1))
W, R = (one - taken @ (taken.T @ one) for one in (means.T, R_asked))
allowed = span(torch.cat([W / W.norm(), R / R.norm()], 1))
print(f"{taken.shape[1]} dimensions are taken; {allowed.shape[1]} that are left have to do with the variable")

# %% [markdown]
# Within these, an exchange with projection P changes what the readers see by R P W, and it should be what they see
# of the variable where nothing is exchanged, R W without any projection. This needs no run of the model: a search among
# a few dimensions, from several starts.

# %%
wanted = R_asked.T @ means.T
inside_R, inside_W = allowed.T @ R, allowed.T @ W


def search(start, steps=300):
    """An orthonormal Q, by its coordinates in the allowed dimensions, and the relative error that is left."""
    free = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([free], lr=0.05)
    with torch.enable_grad():
        for _ in range(steps):
            Q = torch.linalg.qr(free)[0]
            error = ((inside_R.T @ Q) @ (Q.T @ inside_W) - wanted).square().sum() / wanted.square().sum()
            optimiser.zero_grad()
            error.backward()
            optimiser.step()
    return Q.detach(), error.item()


generator = torch.Generator().manual_seed(0)
starts = torch.randn(6, allowed.shape[1], k, generator=generator, dtype=torch.float64)
found = [search(start) for start in starts]
print("errors that are left, by start:", [f"{error:.1e}" for _, error in found])
candidates = {
    "principal components": axes[:k].T,
    "where it is written": written,
    "what reads it": read,
    "written, without what is taken": span(W)[:, :k],
    "what solves the equation": allowed @ min(found, key=lambda one: one[1])[0],
}
print("cosines of the angles between its readers and the others:", torch.linalg.svdvals(read.T @ read_other))

# %%
results = {}
differ = (groups[base_labels] != groups[source_labels]) & (rest[base_labels] != rest[source_labels])
for title, Q in candidates.items():
    after = exchanged(base, source, name, -1, Q.float())
    moved = (groups[after] == groups[source_labels])[differ].float().mean().item()
    kept = (rest[after] == rest[base_labels])[differ].float().mean().item()
    results[title] = moved, kept
    print(f"{title:30s} interchange {moved:.3f}  isolation {kept:.3f}")
plt.bar(range(len(results)), [min(both) for both in results.values()])
plt.xticks(range(len(results)), list(results), rotation=20, ha="right")
plt.ylabel("the lower of interchange and isolation")
plt.show()

# %%
best = max(results, key=lambda title: min(results[title]))
answer = {
    "layer": reading,
    "site": "resid_mid",
    "position": "last",
    "directions": candidates[best].T.tolist(),
    "confidence": 0.95 if min(results[best]) > 0.9 else 0.3,
    "summary": (
        f"Neurons of layer {reading} read all variables at the last position. Of {len(results)} candidates, '{best}' "
        f"is best: exchanged, it moves the group in {results[best][0]:.3f} of pairs and leaves the other variables as "
        f"they are in {results[best][1]:.3f}."
    ),
}
