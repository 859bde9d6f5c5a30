"""What single MLP neurons follow: binary features of text, variance explained, ablation.

Everything here measures a given model. `neuron_training` makes models whose neurons follow chosen features; tasks
compare what is measured here with their bars. Activations are always taken after the nonlinearity
(``blocks.{layer}.mlp.hook_post``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Bool, Float, Int
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


class Feature(Protocol):
    """Something that is true or false of every position of a text."""

    @property
    def name(self) -> str:
        """What it is called in keys and certificates."""

    def holds(self, tokens: Int[Tensor, "batch pos"]) -> Bool[Tensor, "batch pos"]:
        """Where it is true."""


@dataclass(frozen=True)
class TokenFeature:
    """True where the token is one of some ids and, if asked, the token before it is one of some others.

    Attributes:
        name: What it is called.
        current: Ids of the token itself.
        previous: Ids of the token before it, or None where that does not matter.
    """

    name: str
    current: frozenset[int]
    previous: frozenset[int] | None = None

    def holds(self, tokens: Int[Tensor, "batch pos"]) -> Bool[Tensor, "batch pos"]:
        """See `Feature.holds`; with `previous`, false at the first position."""
        here = torch.isin(tokens, torch.tensor(sorted(self.current)))
        if self.previous is None:
            return here
        before = torch.isin(tokens, torch.tensor(sorted(self.previous)))
        return here & torch.cat([torch.zeros_like(before[:, :1]), before[:, :-1]], dim=1)


def feature_matrix(features: Sequence[Feature], tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch*pos feature"]:
    """1.0 where a feature holds, positions of all texts one below the other."""
    return torch.stack([feature.holds(tokens).flatten() for feature in features], dim=1).float()


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
    """The share of each neuron's variance that each binary feature explains (RVE), 0 to 1.

    RVE = 1 - [q0 Var(a|f=0) + q1 Var(a|f=1)] / Var(a), q the shares of positions (Gurnee et al. 2024, arXiv 2401.12181,
    section 4.1). For a binary feature the explained part is q0 q1 (mean(a|f=1) - mean(a|f=0))^2, which makes RVE the
    squared correlation; that is how it is computed, for all pairs at once. A constant neuron or feature explains 0.

    Raises:
        ValueError: When the two have different numbers of positions.
    """
    if len(activations) != len(features):
        raise ValueError(f"{len(activations)} positions of activations, but {len(features)} of features")
    a = activations - activations.mean(0)
    f = features - features.mean(0)
    covariance = a.T @ f
    scale = a.square().sum(0)[:, None] * f.square().sum(0)[None, :]
    return torch.where(scale > 0, covariance.square() / scale.clamp_min(torch.finfo(scale.dtype).tiny), 0.0)


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
