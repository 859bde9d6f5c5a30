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

#: The scales, relative to the mean length of activations at the layer: each is larger by an eighth than the last.
SCALES: tuple[float, ...] = tuple(0.02 * 1.125**step for step in range(40))
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
    """

    effect: float
    divergence: float
    scale: float
    against: float


class Prompts:
    """Activations of target and neutral prompts, from which models can be run on.

    Args:
        model: The model.
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
        names = {layer: f"blocks.{layer}.hook_resid_post" for layer in layers}
        logits, cache = model.run_with_cache(
            torch.cat([target, neutral]), names_filter=lambda name: name in names.values()
        )
        self.here = {layer: cache[name] for layer, name in names.items()}
        self.length = {layer: float(here[:, -1].norm(dim=1).mean()) for layer, here in self.here.items()}
        before = logits[:, -1].log_softmax(-1)
        self.before = before[: self.n_target].gather(1, wanted[:, None])[:, 0].exp()
        self.neutral = before[self.n_target :]

    def after(self, layer: int, change: Float[Tensor, " d_model"]) -> tuple[Tensor, Tensor]:
        """Probabilities of the wanted labels, and divergences of neutral prompts, with a vector added."""
        here = self.here[layer].clone()
        here[:, -1] = here[:, -1] + change
        if layer + 1 < self.model.cfg.n_layers:
            logits = self.model(here, start_at_layer=layer + 1)[:, -1]
        else:
            logits = here[:, -1] @ self.model.W_U + self.model.b_U
        said = logits.log_softmax(-1)
        wanted = said[: self.n_target].gather(1, self.wanted[:, None])[:, 0].exp()
        divergence = (self.neutral.exp() * (self.neutral - said[self.n_target :])).sum(1)
        return wanted, divergence

    @torch.no_grad()
    def effect(self, layer: int, vector: Float[Tensor, " d_model"]) -> Effect:
        """The effect of a vector at its best allowed scale."""
        size = vector.norm()
        best = Effect(0.0, 0.0, 0.0, 0.0)
        if size == 0:
            return best
        for scale in SCALES:
            wanted, divergence = self.after(layer, (scale * self.length[layer] / size) * vector)
            change = wanted - self.before
            if divergence.mean() <= MOST_DIVERGENCE and change.mean() > best.effect:
                against = (change < -0.01).float().mean()
                best = Effect(float(change.mean()), float(divergence.mean()), scale, float(against))
        return best
