"""A sparse autoencoder as data: a JumpReLU autoencoder in the shapes and under the names of sae-lens.

A latent is ``f = x @ W_enc + b_enc`` where that is above the latent's threshold, and 0 elsewhere (Rajamanoharan et al.
2024, arXiv 2407.14435). What all latents decode to is ``f @ W_dec + b_dec``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from safetensors.torch import save
from torch import Tensor

#: Public code that loads an autoencoder from the file that `Autoencoder.file` makes.
SAE_CODE = '''\
sae = load_file("sae.safetensors")
W_enc, b_enc, W_dec, b_dec, threshold = (sae[name] for name in ("W_enc", "b_enc", "W_dec", "b_dec", "threshold"))


def encode(x):
    """The latents of activations x, shape (..., {n_latents}); `f @ W_dec + b_dec` decodes them."""
    before = x @ W_enc + b_enc
    return before * (before > threshold)
'''
#: Name of the file.
SAE_FILE = "sae.safetensors"


@dataclass(frozen=True)
class Autoencoder:
    """A sparse autoencoder.

    Attributes:
        W_enc: Encoder weights.
        b_enc: Added to what the encoder reads.
        W_dec: Decoder weights: a direction for each latent, of unit length.
        b_dec: What is decoded where no latent is active.
        threshold: What a latent must exceed to be active; at least 0.
    """

    W_enc: Float[Tensor, "d_model latent"]
    b_enc: Float[Tensor, " latent"]
    W_dec: Float[Tensor, "latent d_model"]
    b_dec: Float[Tensor, " d_model"]
    threshold: Float[Tensor, " latent"]

    @property
    def n_latents(self) -> int:
        """The number of latents."""
        return len(self.threshold)

    def encode(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch latent"]:
        """The latents of activations."""
        before = x @ self.W_enc + self.b_enc
        latents: Tensor = before * (before > self.threshold)
        return latents

    def decode(self, latents: Float[Tensor, "*batch latent"]) -> Float[Tensor, "*batch d_model"]:
        """The activations that latents stand for."""
        decoded: Tensor = latents @ self.W_dec + self.b_dec
        return decoded

    def rotated(self, rotation: Float[Tensor, "d_model d_model"]) -> Autoencoder:
        """The same latents of activations that are multiplied by an orthogonal matrix from the right."""
        turn = rotation.double()
        return Autoencoder(
            W_enc=(turn.T @ self.W_enc.double()).float(),
            b_enc=self.b_enc,
            W_dec=(self.W_dec.double() @ turn).float(),
            b_dec=(self.b_dec.double() @ turn).float(),
            threshold=self.threshold,
        )

    def reordered(self, order: Sequence[int]) -> Autoencoder:
        """The same latents in another order.

        Args:
            order: For each new index the old one.
        """
        index = torch.tensor(order)
        return Autoencoder(
            self.W_enc[:, index], self.b_enc[index], self.W_dec[index], self.b_dec, self.threshold[index]
        )

    def file(self) -> bytes:
        """The parameters as a safetensors file."""
        names = ("W_enc", "b_enc", "W_dec", "b_dec", "threshold")
        return bytes(save({name: getattr(self, name).contiguous() for name in names}))
