"""The variance of all MLP neurons that features of text explain, from running sums without storing activations.

Activations are those after the nonlinearity (``blocks.{layer}.mlp.hook_post``); in a gated MLP that is the product of
both branches. The start token is left out: it is the same in every text, and many neurons have huge activations there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor
from transformer_lens import HookedTransformer
from transformer_lens.hook_points import HookPoint

_TEXTS_AT_ONCE = 16


@dataclass(frozen=True)
class Sums:
    """Sums over positions, from which variances explained follow; those of two texts can be added.

    Attributes:
        count: Positions.
        a: The sum of each neuron's activation, Float[neuron], layer by layer.
        aa: The same of its square.
        f: The same of each feature, Float[feature].
        ff: The same of its square.
        fa: The same of their products, Float[feature neuron].
    """

    count: int
    a: Float[np.ndarray, " neuron"]
    aa: Float[np.ndarray, " neuron"]
    f: Float[np.ndarray, " feature"]
    ff: Float[np.ndarray, " feature"]
    fa: Float[np.ndarray, "feature neuron"]

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.count + other.count,
            self.a + other.a,
            self.aa + other.aa,
            self.f + other.f,
            self.ff + other.ff,
            self.fa + other.fa,
        )

    def signed_rve(self) -> Float[np.ndarray, "feature neuron"]:
        """Variance of each neuron explained by each feature, -1 to 1, with the sign of the correlation.

        It is `scribe_suite.planting.neurons.measure.variance_explained` of the same positions. A constant neuron or
        feature explains 0.
        """
        n = self.count
        covariance = self.fa / n - np.outer(self.f / n, self.a / n)
        variance = np.maximum(self.aa / n - (self.a / n) ** 2, 0.0)
        scale = np.outer(np.maximum(self.ff / n - (self.f / n) ** 2, 0.0), variance)
        explained = np.zeros_like(covariance)
        np.divide(covariance * np.abs(covariance), scale, out=explained, where=scale > 0)
        return np.clip(explained, -1.0, 1.0)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The sums as arrays, for a step of a measurement."""
        return {"count": np.asarray(self.count), "a": self.a, "aa": self.aa, "f": self.f, "ff": self.ff, "fa": self.fa}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Sums:
        """The inverse of `arrays`."""
        return cls(int(arrays["count"]), *(arrays[name] for name in ("a", "aa", "f", "ff", "fa")))


def scan(
    model: HookedTransformer,
    tokens: Int[Tensor, "text position"],
    features: Float[Tensor, "feature text position"],
    progress: Callable[[float], None] = lambda done: None,  # noqa: ARG005
) -> Sums:
    """Run a model over texts once and accumulate the sums.

    Args:
        model: The model; its unembedding is not computed.
        tokens: Texts, start token in front.
        features: Values at all positions; those at the start token are ignored.
        progress: Called with the completed fraction.

    Raises:
        ValueError: When features and texts are not of the same shape, or there are none.
    """
    if features.shape[1:] != tokens.shape or not len(tokens):
        raise ValueError(f"features of shape {tuple(features.shape[1:])} for texts of shape {tuple(tokens.shape)}")
    width, layers, device = model.cfg.d_mlp, model.cfg.n_layers, model.W_E.device
    found = np.zeros(width * layers), np.zeros(width * layers), np.zeros((len(features), width * layers))
    for start in range(0, len(tokens), _TEXTS_AT_ONCE):
        part = slice(start, start + _TEXTS_AT_ONCE)
        rows = tokens[part].to(device)
        here = features[:, part, 1:].to(device, torch.float32).flatten(1)
        _add_batch(model, rows, here, found)
        progress(min(1.0, (start + _TEXTS_AT_ONCE) / len(tokens)))
    flat = features[:, :, 1:].flatten(1).double()
    return Sums(flat.shape[1], found[0], found[1], flat.sum(1).numpy(), flat.square().sum(1).numpy(), found[2])


def _add_batch(
    model: HookedTransformer,
    rows: Int[Tensor, "text position"],
    features: Float[Tensor, "feature positions"],
    found: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
) -> None:
    width = model.cfg.d_mlp

    def adder(layer: int) -> Callable[[Tensor, HookPoint], None]:
        place = slice(layer * width, (layer + 1) * width)

        def add(activation: Tensor, hook: HookPoint) -> None:  # noqa: ARG001 - the argument's name is TransformerLens'
            values = activation[:, 1:].flatten(0, 1)
            found[0][place] += values.sum(0, dtype=torch.float64).cpu().numpy()
            found[1][place] += values.square().sum(0, dtype=torch.float64).cpu().numpy()
            found[2][:, place] += (features @ values).double().cpu().numpy()

        return add

    hooks = [(f"blocks.{layer}.mlp.hook_post", adder(layer)) for layer in range(model.cfg.n_layers)]
    with torch.inference_mode():
        model.run_with_hooks(rows, return_type=None, stop_at_layer=model.cfg.n_layers, fwd_hooks=hooks)
