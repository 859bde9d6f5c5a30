"""Ablates neurons at all positions of a text at once, with every position affected only by its own ablation.

A position reaches later ones, and itself in later layers, through keys and values. With those of a clean run in their
place, one run shows for all positions what the ablation there does along the position's own residual stream: its direct
and MLP paths, not those through attention to itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional
from transformer_lens import HookedTransformer
from transformer_lens.hook_points import HookPoint

#: TransformerLens' hook name -> keys or values of one layer, without gradients.
KeysAndValues = dict[str, Float[Tensor, "batch pos head d_head"]]

Hook = tuple[str, Callable[[Tensor, HookPoint], Tensor]]


def keeping_hooks(model: HookedTransformer, kept: KeysAndValues) -> list[Hook]:
    """Forward hooks for a clean run that put its keys and values into `kept`."""

    def keep(found: Tensor, hook: HookPoint) -> Tensor:
        kept[str(hook.name)] = found.detach()
        return found

    return [(name, keep) for name in _attended(model)]


def local_ablation_loss(
    model: HookedTransformer,
    tokens: Int[Tensor, "batch pos"],
    held: Bool[Tensor, "batch pos neuron"],
    means: Float[Tensor, " neuron"],
    kept: Mapping[str, Float[Tensor, "batch pos head d_head"]],
) -> Float[Tensor, "batch pos-1"]:
    """Cross-entropy in nats of the token after every position, with the position's neurons held at their means.

    Args:
        model: The language model.
        tokens: Texts.
        held: Which neurons are ablated at which positions, in the order of `measure.all_neurons`.
        means: The values at which they are held.
        kept: Keys and values of a clean run of the same texts (`keeping_hooks`).
    """

    def holder(mask: Tensor, values: Tensor) -> Callable[[Tensor, HookPoint], Tensor]:
        def hold(activation: Tensor, hook: HookPoint) -> Tensor:  # noqa: ARG001 - the argument's name is TransformerLens'
            return torch.where(mask, values, activation)

        return hold

    def restore(found: Tensor, hook: HookPoint) -> Tensor:  # noqa: ARG001
        return kept[str(hook.name)]

    n_layers = model.cfg.n_layers
    hooks: list[Hook] = [
        (f"blocks.{layer}.mlp.hook_post", holder(mask, values))
        for layer, (mask, values) in enumerate(zip(held.chunk(n_layers, 2), means.chunk(n_layers), strict=True))
        if mask.any()
    ]
    hooks += [(name, restore) for name in _attended(model)]
    with model.hooks(fwd_hooks=hooks):
        return token_losses(model, tokens)


def token_losses(model: HookedTransformer, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos-1"]:
    """Cross-entropy in nats of the token after every position, with gradients."""
    logits = model(tokens)[:, :-1]
    losses = functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    return losses.view(len(tokens), -1)


def _attended(model: HookedTransformer) -> list[str]:
    return [f"blocks.{layer}.attn.hook_{kind}" for layer in range(model.cfg.n_layers) for kind in "kv"]
