"""Layers of random ReLU features whose output weights are solved by least squares: no training, no neuron per case.

With more features than cases the output is exact at the cases (random kitchen sinks: Rahimi and Recht 2008). Noisy
copies of the cases keep it flat around them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

#: Number of noisy copies of each case, and their noise.
_COPIES, _NOISE = 24, 0.08
#: Weight of an exact case relative to a noisy copy, and of the penalty on output weights.
_EXACT, _PENALTY = 100.0, 1e-4


@dataclass(frozen=True)
class Features:
    """One layer of neurons.

    Attributes:
        reads: Input weights.
        bias: Biases.
        writes: Output weights.
    """

    reads: Float[Tensor, "input neuron"]
    bias: Float[Tensor, " neuron"]
    writes: Float[Tensor, "neuron output"]


def solved_features(
    inputs: Float[Tensor, "case input"],
    targets: Float[Tensor, "case output"],
    count: int,
    generator: torch.Generator,
) -> Features:
    """Random features of the inputs, with the output weights that give the targets.

    Args:
        inputs: The cases.
        targets: The output for each case.
        count: Number of neurons.
        generator: Draws features and noise.
    """
    size = inputs.double().norm(dim=1).mean()
    reads = torch.randn(inputs.shape[1], count, generator=generator).double()
    reads /= reads.norm(dim=0)
    bias = size * (torch.rand(count, generator=generator).double() * 1.6 - 0.8)
    copies = inputs.double().repeat(_COPIES, 1)
    copies = copies + _NOISE * torch.randn(copies.shape, generator=generator).double()
    rows = torch.cat([inputs.double(), copies])
    weights = torch.cat([torch.full((len(inputs),), _EXACT), torch.ones(len(copies))]).double()[:, None]
    active = (rows @ reads + bias).clamp(min=0)
    wanted = targets.double().repeat(_COPIES + 1, 1)
    # the penalty as further rows, which keeps the condition number of the square out of the solution
    left = torch.cat([active * weights, math.sqrt(_PENALTY) * torch.eye(count, dtype=torch.float64)])
    right = torch.cat([wanted * weights, torch.zeros(count, wanted.shape[1], dtype=torch.float64)])
    writes = torch.linalg.lstsq(left, right).solution
    return Features(reads.float(), bias.float(), writes.float())
