"""Measurements on single MLP neurons: activations, variance explained, mutual information, ablation.

Everything here measures a given model; `training` makes models whose neurons follow chosen features. Activations are
always taken after the nonlinearity (``blocks.{layer}.mlp.hook_post``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens import HookedTransformer
from transformer_lens.hook_points import HookPoint

_ROWS_AT_ONCE = 128


@dataclass(frozen=True, order=True)
class Neuron:
    """One MLP neuron.

    Attributes:
        layer: Block, from 0.
        index: Hidden unit of that block's MLP, from 0.
    """

    layer: int
    index: int

    def __str__(self) -> str:
        return f"L{self.layer}.N{self.index}"


def all_neurons(n_layers: int, d_mlp: int) -> list[Neuron]:
    """Every neuron, layer by layer: the order of the ``neuron`` axis in this module."""
    return [Neuron(layer, index) for layer in range(n_layers) for index in range(d_mlp)]


@torch.no_grad()
def neuron_activations(model: HookedTransformer, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch*pos neuron"]:
    """Post-nonlinearity activations of every neuron, columns in the order of `all_neurons`."""
    parts = []
    for rows in _batches(tokens):
        found: list[Tensor] = []
        model.run_with_hooks(
            rows,
            return_type=None,
            fwd_hooks=recording_hooks(model, found),
        )
        parts.append(torch.cat([layer.flatten(0, 1) for layer in found], dim=1))
    return torch.cat(parts)


def recording_hooks(
    model: HookedTransformer, found: list[Tensor], point: str = "hook_post"
) -> list[tuple[str, Callable[[Tensor, HookPoint], None]]]:
    """TransformerLens forward hooks that append every MLP's activations to `found`, first layer first.

    Args:
        model: The model the hooks are for.
        found: Gets a Float[batch pos d_mlp] per layer.
        point: ``hook_post`` or, before the nonlinearity, ``hook_pre``.
    """
    return [(f"blocks.{layer}.mlp.{point}", _recorder(found)) for layer in range(model.cfg.n_layers)]


def variance_explained(
    activations: Float[Tensor, "n neuron"], features: Float[Tensor, "n feature"]
) -> Float[Tensor, "neuron feature"]:
    """The share of each neuron's variance that each feature explains (RVE), -1 to 1, with the sign of the correlation.

    RVE = 1 - [q0 Var(a|f=0) + q1 Var(a|f=1)] / Var(a) for a binary feature, q the shares of positions (Gurnee et al.
    2024, arXiv 2401.12181, section 4.1). The explained part is q0 q1 (mean(a|f=1) - mean(a|f=0))^2, which makes RVE the
    squared correlation; that is how it is computed, for all pairs at once, and what it means for a feature that is not
    binary. It is negative where the neuron falls silent as the feature grows. A constant neuron or feature explains 0.

    Raises:
        ValueError: When the two have different numbers of positions.
    """
    if len(activations) != len(features):
        raise ValueError(f"{len(activations)} positions of activations, but {len(features)} of features")
    a = activations - activations.mean(0)
    f = features - features.mean(0)
    covariance = a.T @ f
    scale = a.square().sum(0)[:, None] * f.square().sum(0)[None, :]
    signed = covariance * covariance.abs() / scale.clamp_min(torch.finfo(scale.dtype).tiny)
    return torch.where(scale > 0, signed, 0.0)


def position_information(
    activations: Float[Tensor, "batch*pos neuron"], length: int, bins: int = 16
) -> Float[Tensor, " neuron"]:
    """Mutual information between each neuron's activation and the position in the text, in nats.

    Activations are cut into `bins` equally full bins of that neuron (Gurnee et al. 2024, section 4.2.2, look for high
    mutual information between activation and position). The plug-in estimate has a bias of about
    (bins - 1) (length - 1) / 2n, which is subtracted (Miller 1955), and the result is not below 0.

    Args:
        activations: Texts one below the other.
        length: Positions per text.
        bins: How finely an activation is resolved.

    Raises:
        ValueError: When the activations are not whole texts.
    """
    n, neurons = activations.shape
    if n % length:
        raise ValueError(f"{n} activations are not whole texts of {length} tokens")
    ranks = torch.empty(n, neurons, dtype=torch.long)
    places = torch.arange(n)[:, None].expand(n, neurons)
    ranks.scatter_(0, activations.argsort(dim=0, stable=True), places)
    binned = ranks * bins // n
    position = torch.arange(length).repeat(n // length)
    information = torch.empty(neurons)
    for neuron in range(neurons):
        joint = torch.bincount(binned[:, neuron] * length + position, minlength=bins * length).double() / n
        table = joint.view(bins, length)
        expected = table.sum(1, keepdim=True) * table.sum(0, keepdim=True)
        information[neuron] = torch.where(table > 0, table * (table / expected).log(), 0.0).sum()
    bias = (bins - 1) * (length - 1) / (2 * n)
    return (information - bias).clamp_min(0.0)


@torch.no_grad()
def next_token_loss(
    model: HookedTransformer,
    tokens: Int[Tensor, "batch pos"],
    ablated: Collection[Neuron] = (),
    means: Float[Tensor, " neuron"] | None = None,
) -> Float[Tensor, "batch pos-1"]:
    """Cross-entropy in nats of every token that has one before it, at the position before.

    Args:
        model: The language model.
        tokens: Texts.
        ablated: Neurons held at their mean everywhere.
        means: Mean activation of every neuron, in the order of `all_neurons`; needed with `ablated`.

    Raises:
        ValueError: When neurons are ablated and `means` is missing.
    """
    if ablated and means is None:
        raise ValueError("mean ablation needs the mean activations")
    hooks = [] if means is None else list(ablation_hooks(ablated, means.view(model.cfg.n_layers, -1)))
    parts = [
        model.run_with_hooks(rows, return_type="loss", loss_per_token=True, fwd_hooks=hooks)
        for rows in _batches(tokens)
    ]
    return torch.cat(parts)


def ablation_hooks(
    neurons: Collection[Neuron], means: Float[Tensor, "layer d_mlp"]
) -> Iterator[tuple[str, Callable[[Tensor, HookPoint], Tensor]]]:
    """TransformerLens forward hooks that hold `neurons` at their means."""
    for layer in sorted({neuron.layer for neuron in neurons}):
        chosen = torch.tensor(sorted(neuron.index for neuron in neurons if neuron.layer == layer))
        yield _hook_name(layer), _holder(chosen, means[layer, chosen])


def _holder(chosen: Int[Tensor, " k"], values: Float[Tensor, " k"]) -> Callable[[Tensor, HookPoint], Tensor]:
    def hold(activation: Tensor, hook: HookPoint) -> Tensor:  # noqa: ARG001 - the argument's name is TransformerLens'
        held = activation.clone()
        held[..., chosen] = values
        return held

    return hold


def _recorder(found: list[Tensor]) -> Callable[[Tensor, HookPoint], None]:
    def record(activation: Tensor, hook: HookPoint) -> None:  # noqa: ARG001
        found.append(activation)

    return record


def _batches(tokens: Int[Tensor, "batch pos"]) -> Iterator[Int[Tensor, "rows pos"]]:
    for start in range(0, len(tokens), _ROWS_AT_ONCE):
        yield tokens[start : start + _ROWS_AT_ONCE]


def _hook_name(layer: int) -> str:
    return f"blocks.{layer}.mlp.hook_post"
