"""Random linear maps that keep lengths."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def isometry(rows: int, columns: int, generator: torch.Generator) -> Float[Tensor, "rows columns"]:
    """A random map that keeps lengths: orthonormal rows, or columns where there are fewer of them (Haar measure)."""
    drawn = torch.randn(max(rows, columns), min(rows, columns), generator=generator)
    q, r = torch.linalg.qr(drawn)
    signed: Tensor = q * r.diagonal().sign()
    return signed if rows >= columns else signed.T
