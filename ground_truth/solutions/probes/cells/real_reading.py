"""Cells of the notebook on a real model: the statements, and activations in one pass."""

# %%
import numpy as np

truth, block = np.array(labels), np.array(blocks)
tokens = [model.to_tokens(text)[0] for text in statements]
lengths = np.array([len(row) for row in tokens])
for row in range(4):
    print(statements[row], "->", labels[row], "block", blocks[row])
print(f"{len(tokens)} statements of {lengths.min()} to {lengths.max()} tokens, blocks of {np.bincount(block)}")
print(model.to_str_tokens(statements[0]))

# %% [markdown]
# ## Activations
# The residual stream after every block at the last two tokens, the full stop and what stands before it. Earlier tokens
# can't know how the statement ends. Statements of one length run together, so there is no padding to take care of.

# %%
POSITIONS = (-1, -2)


def residuals(network, layers, batch=40):
    """[layer, position, statement, d_model]"""
    read = np.zeros((len(layers), len(POSITIONS), len(tokens), network.cfg.d_model), dtype=np.float32)
    hooks = [f"blocks.{layer}.hook_resid_post" for layer in layers]
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        for part in np.array_split(rows, -(-len(rows) // batch)):
            with torch.inference_mode():
                _, cache = network.run_with_cache(
                    torch.stack([tokens[row] for row in part]),
                    names_filter=lambda name: name in hooks,
                    stop_at_layer=max(layers) + 1,
                    return_type=None,
                )
            for place, hook in enumerate(hooks):
                read[place][:, part] = cache[hook][:, list(POSITIONS)].transpose(0, 1).float().cpu().numpy()
    return read


layers = list(range(1, model.cfg.n_layers, 2))
hidden = residuals(model, layers)
