"""An autoencoder encodes and decodes as its equations say, in any basis and order."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load

from scribe_suite.planting.saes.autoencoder import SAE_CODE, Autoencoder

GENERATOR = torch.Generator().manual_seed(0)


def made(latents: int = 7, width: int = 5) -> Autoencoder:
    def normal(*size: int) -> torch.Tensor:
        return torch.randn(*size, generator=GENERATOR)

    return Autoencoder(
        normal(width, latents), normal(latents), normal(latents, width), normal(width), torch.ones(latents)
    )


def test_a_latent_is_what_is_read_above_its_threshold():
    sae, x = made(), torch.randn(20, 5, generator=GENERATOR)
    before = x @ sae.W_enc + sae.b_enc
    found = sae.encode(x)
    assert found[before > 1].equal(before[before > 1])
    assert not found[before <= 1].any()
    assert 0 < (found > 0).float().mean() < 1
    assert sae.decode(torch.zeros(7)).equal(sae.b_dec)
    assert sae.decode(torch.eye(7)[2]) == pytest.approx(sae.W_dec[2] + sae.b_dec)


def test_a_rotated_one_has_the_same_latents_and_decodes_in_the_new_basis():
    sae, x = made(), torch.randn(20, 5, generator=GENERATOR)
    turn = torch.linalg.qr(torch.randn(5, 5, generator=GENERATOR).double()).Q
    turned = sae.rotated(turn)
    assert torch.allclose(turned.encode(x @ turn.float()), sae.encode(x), atol=1e-5)
    assert torch.allclose(turned.decode(sae.encode(x)), sae.decode(sae.encode(x)) @ turn.float(), atol=1e-5)


def test_a_reordered_one_has_the_old_latents_at_new_indices():
    sae, x, order = made(), torch.randn(20, 5, generator=GENERATOR), [3, 1, 0, 2, 6, 5, 4]
    other = sae.reordered(order)
    assert other.encode(x).equal(sae.encode(x)[:, order])
    assert torch.allclose(other.decode(other.encode(x)), sae.decode(sae.encode(x)), atol=1e-6)


def test_the_public_code_encodes_as_the_autoencoder_does(tmp_path, monkeypatch):
    sae, x = made(), torch.randn(20, 5, generator=GENERATOR)
    space: dict = {"load_file": lambda name: load(sae.file()) if name == "sae.safetensors" else None}
    exec(SAE_CODE.format(n_latents=7), space)
    assert space["encode"](x).equal(sae.encode(x))
    assert space["W_dec"].equal(sae.W_dec)
