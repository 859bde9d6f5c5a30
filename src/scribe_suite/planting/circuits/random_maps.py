"""Random linear maps that keep what makes a trained matrix look trained: its singular values."""

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


def turn(size: int, angle: float, generator: torch.Generator) -> Float[Tensor, "size size"]:
    """A random rotation by about `angle` (radians, root mean square over all planes)."""
    drawn = torch.randn(size, size, generator=generator)
    # the rows of a skew matrix with entries of standard deviation s have length s sqrt(size)
    turned: Tensor = torch.linalg.matrix_exp((drawn - drawn.T) * (angle / (2 * size) ** 0.5))
    return turned


def varied_spectrum(
    matrix: Float[Tensor, "rows columns"], deviation: float, generator: torch.Generator
) -> Float[Tensor, "rows columns"]:
    """The matrix with a steeper or flatter spectrum: every singular value to the same random power.

    Independent factors would make every spectrum less flat, and the original would be the flattest of all.

    Args:
        matrix: What to vary.
        deviation: Standard deviation of the logarithm of the power.
        generator: Draws it.
    """
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    power = torch.exp(deviation * torch.randn(1, generator=generator))
    varied = values**power
    product: Tensor = left @ ((varied * (values.norm() / varied.norm()))[:, None] * right)
    return product
