"""Regular simplices: the linear code of a variable, whose values are its corners."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def simplex(corners: int) -> Float[Tensor, "corners dimensions"]:
    """The corners of a regular simplex with unit length around zero, in one dimension less than it has corners."""
    centred = torch.eye(corners, dtype=torch.float64) - 1 / corners
    # Helmert's orthonormal basis of vectors that sum to zero, the same on every machine
    rows = [[1.0] * i + [-float(i)] + [0.0] * (corners - i - 1) for i in range(1, corners)]
    basis = torch.tensor([[x / math.sqrt(i * (i + 1)) for x in row] for i, row in enumerate(rows, 1)]).double()
    points = centred @ basis.T
    corner_points: Tensor = (points / points.norm(dim=1, keepdim=True)).float()
    return corner_points
