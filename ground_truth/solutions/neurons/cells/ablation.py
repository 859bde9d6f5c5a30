"""Shared cells: how much worse the model predicts with neurons held at their means.

They need the cells of `scan.py` and leave `loss_rise` and `random_rise`.
"""

# %% [markdown]
# ## Does the model use them?
#
# An activation that follows a feature could still be read by nothing. Neurons are held at their mean activation, and
# the next-token loss is compared where the feature holds and elsewhere. As many random neurons of the same layers are
# the control. This does not decide which neurons are submitted.

# %%
import numpy as np

ABLATION_TEXTS = min(n_texts, 300)
means = activations.mean(0)


@torch.no_grad()
def losses_without(columns=()):
    """Next-token loss in nats, Float[texts, length - 1], with these neurons held at their means."""

    def holder(layer):
        mine = torch.tensor([i % width for i in columns if i // width == layer])

        def hold(values, hook):  # noqa: ARG001 - the argument's name is TransformerLens'
            values[..., mine] = means[layer * width + mine]
            return values

        return hold

    hooks = [(f"blocks.{layer}.mlp.hook_post", holder(layer)) for layer in sorted({i // width for i in columns})]
    parts = [
        model.run_with_hooks(part, return_type="loss", loss_per_token=True, fwd_hooks=hooks)
        for part in tokens[:ABLATION_TEXTS].split(50)
    ]
    return torch.cat(parts)


intact = losses_without()
shuffle = np.random.default_rng(0)


def loss_rise(columns, where):
    """Rise of the loss where `where` (Bool, shape of `tokens`) holds: mean, standard error; and the mean elsewhere."""
    rise, here = losses_without(columns) - intact, where[:ABLATION_TEXTS, :-1]
    return rise[here].mean().item(), (rise[here].std() / here.sum().sqrt()).item(), rise[~here].mean().item()


def random_rise(columns, where):
    """The same where `where` holds, for as many random neurons of the same layers."""
    free = {
        layer: [i for i in range(layer * width, (layer + 1) * width) if i not in columns] for layer in range(n_layers)
    }
    drawn = [
        int(i)
        for layer in range(n_layers)
        for i in shuffle.choice(free[layer], sum(i // width == layer for i in columns), replace=False)
    ]
    return loss_rise(drawn, where)[0]
