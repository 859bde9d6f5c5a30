"""Cells shared by the notebooks on a real model: activations in one pass, and what logistic regression reads where."""

# %%
import numpy as np
from sklearn.linear_model import LogisticRegression

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

# %% [markdown]
# ## What can be read where
# Logistic regression on standardised activations, always tested on a block that it was not fitted on: no entity is on
# both sides. Two kinds of fits: on two blocks, and on one block, for choosing a place without the block that is
# left out for testing.


# %%
def logistic(values, target, penalty=0.01):
    """L2-regularised logistic regression on standardised activations, in raw coordinates."""
    center, spread = values.mean(0), values.std(0) + 1e-9
    fitted = LogisticRegression(C=penalty, max_iter=1000).fit((values - center) / spread, target)
    return fitted.coef_[0] / spread, float(fitted.intercept_[0]), center


def right(probe, values, target):
    weight, bias, center = probe
    return ((values - center) @ weight + bias > 0) == target


def left_out_blocks(values, target=truth):
    """Right or wrong for every statement, fitted on the other two blocks."""
    found = np.zeros(len(target), dtype=bool)
    for number in np.unique(block):
        test = block == number
        found[test] = right(logistic(values[~test], target[~test]), values[test], target[test])
    return found


def one_to_another(values, others):
    """Mean accuracy from each of two blocks to the other."""
    one, other = (block == number for number in others)
    pairs = ((one, other), (other, one))
    return np.mean([right(logistic(values[a], truth[a]), values[b], truth[b]).mean() for a, b in pairs])


def nested(values):
    """Right or wrong for every statement of a left-out block, at the place that the two other blocks say is best.

    The largest of many accuracies is too large by luck; this one had no part in being chosen.
    """
    found, places = np.zeros(len(truth), dtype=bool), []
    for number in np.unique(block):
        others = [other for other in np.unique(block) if other != number]
        table = np.array([[one_to_another(at, others) for at in layer] for layer in values])
        place = np.unravel_index(table.argmax(), table.shape)
        test = block == number
        found[test] = right(logistic(values[place][~test], truth[~test]), values[place][test], truth[test])
        places.append(place)
    return found, places


hits = np.array([[left_out_blocks(at.astype(float)) for at in layer] for layer in hidden])
grid = hits.mean(-1)
place = np.unravel_index(grid.argmax(), grid.shape)
honest, places = nested(hidden.astype(float))
print("best place: layer", layers[place[0]], "position", POSITIONS[place[1]], "accuracy", grid.max().round(3))
print("left-out accuracy at places chosen without it:", honest.mean().round(3), "at", places)
