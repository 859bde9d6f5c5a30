"""Activations of sampled neurons of a real model on every token of texts: the raw data of ``neurons/explain_real``.

Only the first layers are scanned, in which activations depend mostly on the last few tokens, and only a sample of the
neurons: the task needs some dozens, and a scan of all neurons would have to be kept on disk.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens import HookedTransformer
from transformer_lens.hook_points import HookPoint

#: Number of scanned layers, from the first on.
LAYERS = 12
#: One neuron in this many is sampled.
EVERY = 4
_TEXTS_AT_ONCE = 16
#: Activations are kept as half floats; larger ones occur only at the start token, which is not scored.
_LARGEST = 60_000.0


def sampled_activations(
    model: HookedTransformer,
    tokens: Int[Tensor, "text position"],
    progress: Callable[[float], None] = lambda done: None,  # noqa: ARG005
) -> Float[np.ndarray, "text position neuron"]:
    """Activations of the sampled neurons, layer by layer, as half floats.

    Args:
        model: The model; its later layers are not run.
        tokens: Texts, each with a start token.
        progress: Called with the completed fraction.
    """
    layers = min(LAYERS, int(model.cfg.n_layers))
    width = len(range(0, int(model.cfg.d_mlp), EVERY))
    found = np.zeros((*tokens.shape, layers * width), np.float16)
    for start in range(0, len(tokens), _TEXTS_AT_ONCE):
        part = slice(start, start + _TEXTS_AT_ONCE)
        hooks = [
            (f"blocks.{layer}.mlp.hook_post", _keeper(found[part, :, layer * width : (layer + 1) * width]))
            for layer in range(layers)
        ]
        with torch.inference_mode():
            rows = tokens[part].to(model.W_E.device)
            model.run_with_hooks(rows, return_type=None, stop_at_layer=layers, fwd_hooks=hooks)
        progress(min(1.0, (start + _TEXTS_AT_ONCE) / len(tokens)))
    return found


def sampled_names(d_mlp: int, n_layers: int) -> list[str]:
    """The names of the sampled neurons, in the order of the activations."""
    return [f"L{layer}.N{neuron}" for layer in range(min(LAYERS, n_layers)) for neuron in range(0, d_mlp, EVERY)]


def _keeper(place: Float[np.ndarray, "text position neuron"]) -> Callable[[Tensor, HookPoint], None]:
    def keep(activation: Tensor, hook: HookPoint) -> None:  # noqa: ARG001 - the argument's name is TransformerLens'
        place[:] = activation[..., ::EVERY].clamp(-_LARGEST, _LARGEST).half().cpu().numpy()

    return keep
