"""Zeroing latents in a model, and what that changes.

To zero latents is to subtract what they add to the residual stream, each its activation times its decoder direction.
What the autoencoder does not explain stays as it is. The model's later layers are then really run.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens import HookedTransformer

from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.saes.autoencoder import Autoencoder
from scribe_suite.planting.saes.network import SITE_LAYER, SparseModel

HOOK = f"blocks.{SITE_LAYER}.hook_resid_post"


class Ablations:
    """A model on some prompts, with and without some of its latents; use it without gradients.

    Args:
        model: The model.
        sae: Its autoencoder.
        tokens: The prompts.
    """

    def __init__(self, model: HookedTransformer, sae: Autoencoder, tokens: Int[Tensor, "prompt position"]) -> None:
        self._model, self._sae = model, sae
        with torch.no_grad():
            logits, cache = model.run_with_cache(tokens, names_filter=lambda name: name == HOOK)
        self._stream: Float[Tensor, "prompt position d_model"] = cache[HOOK]
        #: The output of each prompt.
        self.clean: Float[Tensor, "prompt logit"] = logits[:, -1]
        #: The latents of each prompt, at the last position.
        self.latents: Float[Tensor, "prompt latent"] = sae.encode(self.here)

    @property
    def here(self) -> Float[Tensor, "prompt d_model"]:
        """The activations that the autoencoder reads."""
        return self._stream[:, -1]

    @torch.no_grad()
    def changes(self, zeroed: Sequence[int]) -> Float[Tensor, "prompt logit"]:
        """How outputs differ from those of the model with all latents."""
        index = torch.tensor(sorted(set(zeroed)), dtype=torch.long)
        stream = self._stream.clone()
        stream[:, -1] -= self.latents[:, index] @ self._sae.W_dec[index]
        logits: Tensor = self._model(stream, start_at_layer=SITE_LAYER + 1)
        return logits[:, -1] - self.clean

    def effect(self, zeroed: Sequence[int]) -> float:
        """The mean over prompts of the squared distance of outputs with and without the latents."""
        return float(self.changes(zeroed).double().square().sum(1).mean())


def ablations_of(model: SparseModel, tokens: Int[Tensor, "prompt position"]) -> Ablations:
    """The ablations of a model on prompts."""
    return Ablations(build_model(model.weights), model.sae, tokens)
