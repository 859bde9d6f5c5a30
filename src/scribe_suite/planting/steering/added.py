"""What a model does when a vector is added to its activations, at the best scale that leaves other prompts alone.

The scale is not the answer's: of all scales up to twice the mean length of activations, the evaluator takes the one
with the largest effect among those at which the labels of neutral prompts stay as they are, measured by the divergence
of Kullback and Leibler. So strength can't make up for a direction that does more than it should.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens import HookedTransformer

#: The scales, relative to the mean length of activations at the layer: from a fiftieth to about twice.
SCALES: tuple[float, ...] = tuple(0.02 * 1.22**step for step in range(24))
#: The largest mean divergence on neutral prompts, in nats.
MOST_DIVERGENCE = 0.02


@dataclass(frozen=True)
class Effect:
    """What a vector does at its best scale.

    Attributes:
        effect: By how much the mean probability of the wanted labels rises on target prompts.
        divergence: The mean divergence on neutral prompts, in nats.
        scale: The scale, relative to the mean length of activations; 0 if there is none that is allowed.
        against: Share of target prompts in which the probability falls by more than a hundredth.
        least: The same as `effect` over the prompts of one wanted label, for that where it is smallest.
    """

    effect: float
    divergence: float
    scale: float
    against: float
    least: float


#: The effect of no vector.
NO_EFFECT = Effect(0.0, 0.0, 0.0, 0.0, 0.0)


class Prompts:
    """Activations of target and neutral prompts, from which models can be run on.

    Only the last position is computed again: what earlier ones hold does not depend on it.

    Args:
        model: The model, without LayerNorm and with ReLU.
        target: Prompts in which the behaviour is wanted.
        wanted: The label that each should have.
        neutral: Prompts that should stay as they are.
        layers: The layers after which vectors may be added.
    """

    @torch.no_grad()
    def __init__(
        self,
        model: HookedTransformer,
        target: Int[Tensor, "target position"],
        wanted: Int[Tensor, " target"],
        neutral: Int[Tensor, "neutral position"],
        layers: Sequence[int],
    ) -> None:
        self.model, self.wanted, self.n_target = model, wanted, len(target)
        later = range(min(layers) + 1, model.cfg.n_layers)
        parts = {f"blocks.{layer}.attn.hook_{part}" for layer in later for part in "kv"}
        names = {layer: f"blocks.{layer}.hook_resid_post" for layer in layers}
        logits, cache = model.run_with_cache(
            torch.cat([target, neutral]), names_filter=lambda name: name in parts or name in names.values()
        )
        self.here = {layer: cache[name][:, -1] for layer, name in names.items()}
        self.earlier = {name: cache[name][:, :-1] for name in parts}
        self.length = {layer: float(here.norm(dim=1).mean()) for layer, here in self.here.items()}
        before = logits[:, -1].log_softmax(-1)
        self.before = before[: self.n_target].gather(1, wanted[:, None])[:, 0].exp()
        self.neutral = before[self.n_target :]

    def after(self, layer: int, change: Float[Tensor, " d_model"]) -> tuple[Tensor, Tensor]:
        """Probabilities of the wanted labels, and divergences of neutral prompts, with a vector added."""
        stream = self.here[layer] + change
        for later in range(layer + 1, int(self.model.cfg.n_layers)):
            stream = self._block(later, stream)
        said = (stream @ self.model.W_U + self.model.b_U).log_softmax(-1)
        wanted = said[: self.n_target].gather(1, self.wanted[:, None])[:, 0].exp()
        divergence = (self.neutral.exp() * (self.neutral - said[self.n_target :])).sum(1)
        return wanted, divergence

    def _block(self, layer: int, stream: Float[Tensor, "prompt d_model"]) -> Float[Tensor, "prompt d_model"]:
        """The residual stream after a layer, at the last position, from that before it."""
        attention, mlp = self.model.blocks[layer].attn, self.model.blocks[layer].mlp
        key, value = (self.earlier[f"blocks.{layer}.attn.hook_{part}"] for part in "kv")
        query, last_key, last_value = (
            torch.einsum("pd,hde->phe", stream, weight) + bias
            for weight, bias in (
                (attention.W_Q, attention.b_Q),
                (attention.W_K, attention.b_K),
                (attention.W_V, attention.b_V),
            )
        )
        key, value = torch.cat([key, last_key[:, None]], 1), torch.cat([value, last_value[:, None]], 1)
        weights = (torch.einsum("phe,pkhe->phk", query, key) / self.model.cfg.d_head**0.5).softmax(-1)
        brought = torch.einsum("phk,pkhe->phe", weights, value)
        stream = stream + torch.einsum("phe,hed->pd", brought, attention.W_O) + attention.b_O
        result: Tensor = stream + (stream @ mlp.W_in + mlp.b_in).relu() @ mlp.W_out + mlp.b_out
        return result

    @torch.no_grad()
    def effect(self, layer: int, vector: Float[Tensor, " d_model"]) -> Effect:
        """The effect of a vector at its best allowed scale."""
        size = vector.norm()
        best = NO_EFFECT
        if size == 0:
            return best
        for scale in SCALES:
            wanted, divergence = self.after(layer, (scale * self.length[layer] / size) * vector)
            change = wanted - self.before
            if divergence.mean() <= MOST_DIVERGENCE and change.mean() > best.effect:
                against = (change < -0.01).float().mean()
                least = min(float(change[self.wanted == label].mean()) for label in {*self.wanted.tolist()})
                best = Effect(float(change.mean()), float(divergence.mean()), scale, float(against), least)
        return best
