"""The effects of neurons on the logits of tokens, from the weights alone.

A neuron with activation 1 writes its output weights to the residual stream, and through the unembedding they raise and
lower logits: its *logit effects*, one for every token (Gurnee et al. 2024, arXiv 2401.12181, section 5). For a class of
tokens the statistic is the variance of these effects over the vocabulary that the class explains, negative where the
neuron lowers the class.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformer_lens import HookedTransformer

_NEURONS_AT_ONCE = 256


def class_rve(
    out: Float[Tensor, "neuron d_model"],
    unembed: Float[Tensor, "d_model token"],
    members: Bool[Tensor, "class token"],
) -> Float[np.ndarray, "class neuron"]:
    """Variance of neurons' logit effects explained by classes of tokens, -1 to 1.

    The effects of all neurons on all tokens are never needed at once: with the unembedding U centred over tokens, a
    neuron with output weights w has the variance w U Uᵀ wᵀ / tokens and the covariance w U f / tokens with a class f.

    Args:
        out: Output weights of each neuron.
        unembed: From the residual stream to logits.
        members: Which tokens belong to each class.
    """
    out, unembed = out.double(), unembed.double()
    unembed = unembed - unembed.mean(1, keepdim=True)
    features = members.to(unembed.device).double()
    features = features - features.mean(1, keepdim=True)
    tokens = unembed.shape[1]
    variance = ((out @ (unembed @ unembed.T / tokens)) * out).sum(1)
    covariance = (out @ (unembed @ features.T / tokens)).T
    scale = variance[None] * features.square().mean(1, keepdim=True)
    explained = torch.where(scale > 0, covariance * covariance.abs() / scale.clamp_min(1e-30), 0.0)
    result: Float[np.ndarray, "class neuron"] = explained.clamp(-1, 1).cpu().numpy()
    return result


def moments(
    out: Float[Tensor, "neuron d_model"],
    unembed: Float[Tensor, "d_model token"],
    progress: Callable[[float], None] = lambda done: None,  # noqa: ARG005
) -> tuple[Float[np.ndarray, " neuron"], Float[np.ndarray, " neuron"]]:
    """Kurtosis (3 for a normal distribution) and skew of neurons' logit effects over the vocabulary.

    Args:
        out: Output weights of each neuron.
        unembed: From the residual stream to logits.
        progress: Called with the completed fraction.
    """
    unembed = unembed - unembed.mean(1, keepdim=True)
    kurtosis, skew = [], []
    for start in range(0, len(out), _NEURONS_AT_ONCE):
        effects = out[start : start + _NEURONS_AT_ONCE] @ unembed
        squares = effects.square()
        variance = squares.mean(1)
        skew.append((squares * effects).mean(1) / variance.pow(1.5))
        kurtosis.append(squares.square().mean(1) / variance.square())
        progress(min(1.0, (start + _NEURONS_AT_ONCE) / len(out)))
    return torch.cat(kurtosis).cpu().numpy(), torch.cat(skew).cpu().numpy()


def output_weights(model: HookedTransformer) -> Float[Tensor, "neuron d_model"]:
    """The output weights of each neuron of a model, layer by layer."""
    out: Float[Tensor, "neuron d_model"] = model.W_out.detach().flatten(0, 1)
    return out
